// Package guard verifies access tokens in an API.
//
// A Guard trusts one issuer. It fetches the issuer's public keys, keeps them
// fresh, and verifies tokens locally: no request to the issuer, no database, no
// shared secret.
//
//	g, err := guard.New(ctx, guard.Config{Issuer: "https://auth.example.com"})
//	if err != nil {
//		return err
//	}
//	mux.Handle("GET /orders", g.Require(guard.Scope("orders:read"))(orders))
//
// Inside the handler, [FromContext] returns the verified [Claims].
//
// A Guard accepts JWT access tokens of RFC 9068 (typ "at+jwt") that are signed with a
// published key of the issuer, name this API as audience, and have not expired. It
// refuses everything else with the challenge of RFC 6750 and a problem+json body
// whose "code" member is stable. A Guard never fails open: without usable keys it
// responds with 503.
//
// With Config.Resource, tokens may be sender-constrained (DPoP, RFC 9449), and
// [Guard.Metadata] tells clients where to get tokens (RFC 9728). [CheckProof] verifies
// a DPoP proof without a Guard.
//
// The package does not issue tokens, does not take tokens from request bodies, and
// starts no background work that outlives a fetch.
package guard
