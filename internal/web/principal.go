package web

import (
	"github.com/watchword-auth/watchword/internal/web/router"
)

var (
	// anyone needs no credentials, and any that are sent are ignored.
	anyone = router.Principal{Name: "anyone", Admit: admitAnyone}
	// anyClient authenticates to the service: which methods there are, and what a public client
	// may do, are rules of the protocol.
	anyClient = router.Principal{Name: "client", Proved: true, Admit: admitAnyone}
	// tokenHolder presents an access token to the service: what a token permits is a rule of the
	// protocol.
	tokenHolder = router.Principal{Name: "tokenHolder", Proved: true, Admit: admitAnyone}
)

func admitAnyone(*router.Exchange) error { return nil }
