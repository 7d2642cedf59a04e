package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// root is the folder of the repository, seen from here.
const root = "../../.."

// program is the running chromium; every tab has its own profile in it.
var program struct {
	once sync.Once
	ctx  context.Context
	err  error
	stop []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range program.stop {
		defer stop()
	}
	defer os.Exit(code)
}

// chromium starts the browser with the first test that needs it. Without one, and in a
// short run, the test is skipped, but never where everything has to be tested.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if everything := os.Getenv("WATCHWORD_TEST_ALL") != ""; everything && err != nil {
		t.Fatal(err)
	} else if !everything && (err != nil || testing.Short()) {
		t.Skip("a real browser takes its time, or is not there:", err)
	}
	program.once.Do(func() { start(path) })
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.ctx
}

func start(path string) {
	profile, err := os.MkdirTemp("", "watchword-browser-")
	if err != nil {
		program.err = err
		return
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-features", "Translate,BackForwardCache"), // a page that goes back is asked for again
		// No page of ours asks for anything elsewhere; what tries does not get there.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1"))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, close := chromedp.NewContext(alloc)
	program.stop = []func(){func() { os.RemoveAll(profile) }, cancel, close}
	program.ctx, program.err = ctx, chromedp.Do(ctx)
	if program.err != nil {
		program.err = fmt.Errorf("start %s: %w", path, program.err)
	}
}

// shots is where screenshots go.
func shots() string {
	if dir := os.Getenv("WATCHWORD_SCREENSHOTS"); dir != "" {
		return dir
	}
	return filepath.Join(root, ".cache", "screenshots")
}
