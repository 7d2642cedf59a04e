package plan

import (
	"go/ast"
	"path"
	"testing"
)

// login.Service.complete judges the proofs of a sign-in, so only login starts sessions or gives
// them a new sign-in.
func TestOnlyLoginStartsSessions(t *testing.T) {
	t.Parallel()
	found := 0
	for _, f := range production(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || method.Sel.Name != "Start" && method.Sel.Name != "Reauthenticate" {
				return true
			}
			if service, ok := method.X.(*ast.SelectorExpr); !ok || service.Sel.Name != "Sessions" {
				return true
			}
			found++
			if path.Dir(f.name) != "internal/login" {
				t.Errorf("%s starts a session: hand a proof to login instead", fset.Position(call.Pos()))
			}
			return true
		})
	}
	if found == 0 {
		t.Error("no call starts a session: this test looks for the wrong names")
	}
}
