package oidc

// ValidVerifier is exported for the fuzz test.
var ValidVerifier = validVerifier
