package browser

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
)

// axeSource is the source of axe-core, which scripts/test installs.
var axeSource = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile(filepath.Join(root, ".cache", "axe", "node_modules", "axe-core", "axe.min.js"))
	return string(b), err
})

// finding is a violation that axe-core found in a page.
type finding struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// requireAccessible fails the test when axe-core finds a serious or critical violation of WCAG
// 2.2 AA or best practice, when the page is wider than the window (WCAG 2.2, 1.4.10), or when a
// button or field is too small.
func (b *tab) requireAccessible(name string) *tab {
	b.t.Helper()
	source, err := axeSource()
	if err != nil {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			b.t.Fatalf("axe-core is not there (scripts/test fetches it): %v", err)
		}
		return b
	}
	if !b.look.noScript {
		for _, f := range b.runAxe(source) {
			if slices.Contains([]string{"serious", "critical"}, f.Impact) {
				where := make([]string, 0, len(f.Nodes))
				for _, n := range f.Nodes {
					where = append(where, n.HTML+"\n    "+strings.ReplaceAll(n.Summary, "\n", "\n    "))
				}
				b.t.Errorf("%s: %s (%s): %s\n  %s", name, f.ID, f.Impact, f.Help, strings.Join(where, "\n  "))
			}
		}
	}
	over, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	if err != nil {
		b.t.Fatal(err)
	}
	if over > 0 {
		b.t.Errorf("%s: the page is %g pixels wider than the window", name, over)
	}
	small, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](smallTargets))
	if err != nil {
		b.t.Fatal(err)
	}
	if len(small) > 0 {
		b.t.Errorf("%s: too small to hit: %q", name, small)
	}
	return b
}

// smallTargets lists visible buttons and fields of less than 44 pixels. A link in a sentence is as high
// as its line (WCAG 2.2, 2.5.5 and 2.5.8).
const smallTargets = `[...document.querySelectorAll("button, a.button, label.check, input:not([type=hidden]):not([type=checkbox]):not([type=radio])")]
	.filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)`

func (b *tab) runAxe(source string) []finding {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](source + "\n;0"))
	result, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	var all []finding
	if err := json.Unmarshal([]byte(result), &all); err != nil {
		b.t.Fatalf("axe-core says %.200s: %v", result, err)
	}
	return all
}
