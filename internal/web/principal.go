package web

import (
	"github.com/watchword-auth/watchword/internal/web/router"
)

var (
	// anyone proves nothing, and no credential is looked at.
	anyone = router.Principal{Name: "anyone", Admit: admitAll}
	// client is a program that authenticates itself in the request, to the service: which
	// methods there are, and what a public client may do, are rules of the protocol.
	anyClient = router.Principal{Name: "client", Proved: true, Admit: admitAll}
	// tokenHolder is a program that presents an access token, to the service: which tokens are
	// good for what is a rule of the protocol.
	tokenHolder = router.Principal{Name: "tokenHolder", Proved: true, Admit: admitAll}
)

func admitAll(*router.Exchange) error { return nil }
