package oauth

// TokenPath is the path of the token endpoint below the issuer. Old clients name its URL as
// the audience of their assertions, so the package client knows it as well.
const TokenPath = "/oauth2/token"

// AssertionType marks a client assertion (RFC 7523 §2.2).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ResponseTypes are the supported response types.
var ResponseTypes = []string{"code"}
