// Command bench measures Watchword, a bare net/http server and the tutorial system that Watchword
// replaces, on this machine and in one run, and prints the tables of docs/performance.md.
//
// Every figure is the CPU time of the server process for each request (measured by the kernel)
// and its ratio to "hello", a bare net/http server that responds with six bytes. Requests per second
// are printed too, but the load generator shares the machine, so they are a lower bound.
//
//	bench -binary bin/watchword [-span 5s] [-only refresh,login] [-accounts 1000000] [-before PATH]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

var (
	binary   = flag.String("binary", "bin/watchword", "the server under measurement")
	before   = flag.String("before", "", "a server of another version, to compare with; empty leaves the comparison out")
	span     = flag.Duration("span", 5*time.Second, "how long each line is measured")
	only     = flag.String("only", "", "comma-separated sections; empty for all")
	accounts = flag.Int("accounts", 1_000_000, "accounts in the large database of the flatness section")
	postgres = flag.String("postgres", os.Getenv("WATCHWORD_TEST_POSTGRES"), "a PostgreSQL server; empty leaves its lines out")
	serve    = flag.String("serve", "", "serve as a peer: hello or guard (used by bench itself)")
	listen   = flag.String("listen", "", "with -serve: the address")
	issuer   = flag.String("issuer", "", "with -serve guard: the issuer")
)

// scratchDir holds databases, keys and logs of this run.
var scratchDir string

// section is a table of the report.
type section struct {
	name string
	run  func(*bench) error
}

var sections = []section{
	{"http", httpSection},
	{"guard", guardSection},
	{"oauth", oauthSection},
	{"code", codeSection},
	{"refresh", refreshSection},
	{"login", loginSection},
	{"factor", factorSection},
	{"before", beforeSection},
	{"timing", timingSection},
	{"storm", stormSection},
	{"start", startSection},
	{"flat", flatSection},
}

// bench is one run.
type bench struct {
	hello *process
}

func main() {
	flag.Parse()
	if *serve != "" {
		servePeer(*serve, *listen, *issuer)
		return
	}
	var err error
	if scratchDir, err = os.MkdirTemp("", "watchword-bench-"); err != nil {
		fatal(err)
	}
	err = measure()
	os.RemoveAll(scratchDir)
	if err != nil {
		fatal(err)
	}
}

func measure() error {
	b := &bench{}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addr := freeAddr()
	if b.hello, err = start("hello", addr, nil, self, "-serve", "hello", "-listen", addr); err != nil {
		return err
	}
	defer b.hello.stop()
	fmt.Printf("Measured on %s, %d cores shared with the generator, %s a line.\n\n", runtime.Version(), runtime.NumCPU(), *span)
	wanted := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, s := range sections {
		if len(wanted) > 0 && !slices.Contains(wanted, s.name) {
			continue
		}
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// unit measures "hello", the unit of every ratio. It is measured right before and after each line, since the
// speed of a shared machine varies.
func (b *bench) measureHello() time.Duration {
	request := getRequest(b.hello.addr, "/", "")
	before := b.hello.cpu()
	r := load{addr: b.hello.addr, clients: 16, span: *span / 4, next: func(int, int) []byte { return request }}.run()
	return (b.hello.cpu() - before) / time.Duration(max(1, r.requests))
}

// cost is the result of a load with the CPU time of the server.
type cost struct {
	result
	cpu  time.Duration // of the server for each request
	unit time.Duration // of "hello" for each request, around the same time
}

func (b *bench) measureCost(p *process, l load) cost {
	warm := l
	warm.span = min(l.span/4, time.Second)
	if l.limit == 0 {
		warm.run()
	}
	unit := b.measureHello()
	before := p.cpu()
	r := l.run()
	used := p.cpu() - before
	unit = (unit + b.measureHello()) / 2
	if r.failed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %s: %d of %d failed, first: %v\n", p.name, r.failed, r.failed+r.requests, r.firstErr)
	}
	return cost{r, used / time.Duration(max(1, r.requests)), unit}
}

func (b *bench) printHead(title, note string) {
	fmt.Printf("### %s\n\n%s\n\n| what | CPU a request | \"hello\" then | × hello | requests/s | p50 | p99 |\n|---|---:|---:|---:|---:|---:|---:|\n", title, note)
}

func (b *bench) printRow(what string, c cost) {
	fmt.Printf("| %s | %s | %s | %.2f | %.0f | %s | %s |\n", what, formatDuration(c.cpu), formatDuration(c.unit), float64(c.cpu)/float64(c.unit), c.rate(), formatDuration(c.quantile(.5)), formatDuration(c.quantile(.99)))
}

func formatDuration(d time.Duration) string {
	switch {
	case d < 100*time.Microsecond:
		return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1e3)
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d.Nanoseconds())/1e3)
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
}

func httpSection(b *bench) error {
	s, err := startWatchword("http", "")
	if err != nil {
		return err
	}
	defer s.stop()
	tokens, err := s.signInUsers(1)
	if err != nil {
		return err
	}
	b.printHead("Answers from memory and the session check", "16 clients, keep-alive, SQLite.")
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		b.printRow("`GET "+path+"`", b.measureCost(s.process, s.gets(path, "")))
	}
	b.printRow("`GET /api/v1/me` (token verified, session and account read)", b.measureCost(s.process, s.gets("/api/v1/me", tokens[0].Access)))
	fmt.Println()
	return nil
}

func (s *server) gets(path, bearer string) load {
	request := getRequest(s.addr, path, bearer)
	return load{addr: s.addr, clients: 16, span: *span, next: func(int, int) []byte { return request }}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}
