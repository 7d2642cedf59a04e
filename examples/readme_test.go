package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReadme runs the commands of the README, from the quick start to the Go API, and
// compares what they print with what the README shows.
func TestReadme(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	watchword, goAPI := build(t, dir, "../cmd/watchword"), build(t, dir, "./go-api")
	issuer, api := "http://"+free(t), "http://"+free(t)
	env := append(os.Environ(), "WATCHWORD_LISTEN="+strings.TrimPrefix(issuer, "http://"), "WATCHWORD_MANAGE="+free(t), "WATCHWORD_DATA="+filepath.Join(dir, "data"),
		"ISSUER="+issuer, "LISTEN="+strings.TrimPrefix(api, "http://"), "RESOURCE="+api, "WATCHWORD_OAUTH_RESOURCES="+api)
	start(t, env, dir, "sh", "-c", "exec "+watchword+" dev >welcome")
	up(t, issuer+"/readyz")
	start(t, env, dir, goAPI)
	up(t, api+"/hello")

	welcome, printed := requireWelcome(t, filepath.Join(dir, "welcome"))
	here := strings.NewReplacer("http://127.0.0.1:8080", issuer, "http://127.0.0.1:8081", api, "THE-PRINTED-PASSWORD", printed, "bin/watchword", watchword)
	notHere := regexp.MustCompile(`(?m)^(git|make|go run|bin/watchword \S+ authorization-code) .*\n`) // done above, or with a browser
	token, lastOutput := "", welcome
	for _, block := range fencedBlocks(string(page), "## Quick start", "### Flask") {
		switch block.language {
		case "sh":
			for _, command := range commands(notHere.ReplaceAllString(block.text, "")) {
				lastOutput = requireOutput(t, append(env, "TOKEN="+token), dir, here.Replace(command))
				var answer struct {
					AccessToken string `json:"access_token"`
				}
				if json.Unmarshal([]byte(lastOutput), &answer) == nil && answer.AccessToken != "" {
					token = answer.AccessToken
				}
			}
		case "", "json":
			requireSameShape(t, lastOutput, here.Replace(block.text))
		}
	}
}

type fencedBlock struct{ language, text string }

// fencedBlocks returns the code blocks between two headings.
func fencedBlocks(page, from, to string) []fencedBlock {
	_, page, _ = strings.Cut(page, "\n"+from)
	page, _, _ = strings.Cut(page, "\n"+to)
	var blocks []fencedBlock
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```").FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, fencedBlock{m[1], m[2]})
	}
	return blocks
}

// commands splits a block of shell into its commands, joined lines as one.
func commands(block string) []string {
	block = strings.TrimSpace(strings.ReplaceAll(block, "\\\n", " "))
	if block == "" {
		return nil
	}
	return strings.Split(block, "\n")
}

// requireWelcome waits until the server has printed that it is ready, and returns that text
// and its password.
func requireWelcome(t *testing.T, name string) (welcome, password string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(name)
		m := regexp.MustCompile(`password (\S+)`).FindStringSubmatch(string(text))
		if err == nil && m != nil && strings.Contains(string(text), "Stop with") {
			return string(text), m[1]
		}
	}
	t.Fatal("the server prints no password")
	return "", ""
}

func requireOutput(t *testing.T, env []string, dir, command string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", command)
	cmd.Env, cmd.Dir = env, dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// requireSameShape compares the words of each line and the members of JSON that the
// README shows with what was printed; identifiers and secrets differ.
func requireSameShape(t *testing.T, got, shown string) {
	t.Helper()
	word := regexp.MustCompile(`^\s*"?[A-Za-z_]+|"[a-z_]+":`)
	for line := range strings.Lines(shown) {
		for _, w := range word.FindAllString(line, -1) {
			if !strings.HasPrefix(strings.TrimSpace(w), "http") && !strings.HasPrefix(w, "Sign") && !strings.Contains(got, strings.TrimSpace(w)) {
				t.Errorf("README shows %q, which is not in the output:\n%s", w, got)
			}
		}
	}
}
