"""Arrays in, arrays out: likelihoods, panels, quadrature. No objects of the public layer."""
