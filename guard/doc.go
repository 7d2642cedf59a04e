// Package guard checks access tokens at the door of an API.
//
// A Guard knows one issuer. It fetches the issuer's public keys once, keeps
// them fresh, and from then on decides by itself: no request to the issuer, no
// database, no shared secret.
//
//	g, err := guard.New(ctx, guard.Config{Issuer: "https://id.example.com"})
//	if err != nil {
//		return err
//	}
//	mux.Handle("GET /orders", g.Require(guard.Scope("orders:read"))(orders))
//
// Inside the handler, [FromContext] returns the verified [Claims].
//
// Accepted are JWT access tokens as RFC 9068 describes them (typ "at+jwt"),
// signed with a key that the issuer publishes, meant for this API, and alive.
// Everything else is refused with the challenge of RFC 6750 and a
// problem+json body whose "code" member is stable. A Guard never fails open:
// when it has no trustworthy keys it answers 503.
//
// With Config.Resource, tokens may be bound to a key that the client proves with each
// request (DPoP, RFC 9449), and [Guard.Metadata] tells clients where to get tokens (RFC
// 9728). [CheckProof] is that check by itself.
//
// The package does not know how tokens are made, does not read request
// bodies for tokens, and starts no background work that outlives a fetch.
package guard
