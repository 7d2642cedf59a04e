package keys

import (
	"context"

	"github.com/watchword-auth/watchword/internal/auth"
)

type reserve struct{}

// Ensure makes the tenant's first key of the algorithm, active at once, unless
// there is one. Two nodes that do it at the same time end up with one key.
func (r *Ring) Ensure(ctx context.Context, tenant auth.TenantID, alg string) error { panic("skeleton") }

// Sign returns the compact JWS of the claims. The protected header has the members
// alg, typ, kid in this order and nothing else.
func (r *Ring) Sign(ctx context.Context, tenant auth.TenantID, alg, typ string, claims []byte) (string, error) {
	panic("skeleton")
}

// JWKS is the tenant's key set (RFC 7517 §5): public members only, with the next
// key in it before it is used. The bytes are shared: do not change them.
func (r *Ring) JWKS(ctx context.Context, tenant auth.TenantID) ([]byte, error) { panic("skeleton") }

// Rotate publishes a next key, which signs after PublishAhead; the present one
// retires then and stays published KeepFor longer. While a rotation is under way
// another one is refused as Conflict rotation_pending.
func (r *Ring) Rotate(ctx context.Context, tenant auth.TenantID, alg string, actor auth.Actor) error {
	panic("skeleton")
}

// Tend rotates what is due and removes what nobody needs any more, for every
// tenant. Nodes may do it at the same time.
func (r *Ring) Tend(ctx context.Context) error { panic("skeleton") }

// Reseal brings everything that is sealed in the database under the newest master
// key, in one transaction, and returns how many values changed.
func (r *Ring) Reseal(ctx context.Context, actor auth.Actor) (int, error) { panic("skeleton") }
