package web

var (
	// anyone proves nothing, and no credential is looked at.
	anyone = principal{name: "anyone", admit: admitAll}
	// client is a program that authenticates itself in the request, to the service: which
	// methods there are, and what a public client may do, are rules of the protocol.
	anyClient = principal{name: "client", proved: true, admit: admitAll}
	// tokenHolder is a program that presents an access token, to the service: which tokens are
	// good for what is a rule of the protocol.
	tokenHolder = principal{name: "tokenHolder", proved: true, admit: admitAll}
)

func admitAll(*exchange) error { return nil }
