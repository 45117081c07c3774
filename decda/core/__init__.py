"""Parts know one another by contract alone; here is what finds, checks, joins and trains them."""
