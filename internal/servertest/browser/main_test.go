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

// chromium starts the browser for the first test that needs it: the headless shell, which is Chromium
// without windows of its own and takes less than half of the processor time, or chromium. Without
// either, or with -short, the test is skipped, unless WATCHWORD_TEST_ALL is set.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		path, err = exec.LookPath("chromium")
	}
	if everything := os.Getenv("WATCHWORD_TEST_ALL") != ""; everything && err != nil {
		t.Fatal(err)
	} else if !everything && (err != nil || testing.Short()) {
		t.Skip("needs chromium and no -short:", err)
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
		// The pages load nothing from other hosts, and no other host resolves.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1"))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, close := chromedp.NewContext(alloc)
	program.stop = []func(){func() { os.RemoveAll(profile) }, cancel, close}
	program.ctx, program.err = ctx, chromedp.Do(ctx)
	if program.err != nil {
		program.err = fmt.Errorf("start %s: %w", path, program.err)
	}
}

// screenshotDir returns the directory for screenshots.
func screenshotDir() string {
	if dir := os.Getenv("WATCHWORD_SCREENSHOTS"); dir != "" {
		return dir
	}
	return filepath.Join(root, ".cache", "screenshots")
}
