package auth

// DisplayError is a refusal of an authorization or logout request that is shown to the user and
// not sent to the client, because the client or its redirect URI is not certain (RFC 6749
// §4.1.2.1, RFC 9700 §4.11.2). It does not distinguish an unknown client from a disabled one.
type DisplayError struct {
	Code string // for the client's developer; the page has its own words for the user
	Desc string
}

func (e *DisplayError) Error() string { return e.Code + ": " + e.Desc }

// Display returns a DisplayError with a code of the protocol.
func Display(code, desc string) *DisplayError { return &DisplayError{Code: code, Desc: desc} }
