package main

import (
	"fmt"
	"time"
)

// class is one kind of refusal whose time is compared with others.
type class struct {
	name    string
	status  int
	account func(i int) string // the account of the i-th attempt
	times   []time.Duration
}

// timingSection measures whether the time of a refusal reveals that an account exists.
func timingSection(b *bench) error {
	fmt.Print("### Time of a refusal\n\nLogins of each class, interleaved on one connection; each class is compared with the first of its table.\n\n")
	if err := measureRefusals("timing", settings, []*class{
		{name: "wrong password", status: 401, account: func(int) string { return "known" }},
		{name: "unknown account", status: 401, account: func(i int) string { return fmt.Sprint("nobody", i) }},
		{name: "disabled account", status: 401, account: func(int) string { return "disabled" }},
	}); err != nil {
		return err
	}
	return measureRefusals("throttled", throttledConfig, []*class{
		{name: "locked account", status: 429, account: func(int) string { return "known" }},
		{name: "locked unknown account", status: 429, account: func(int) string { return "nobody" }},
	})
}

// throttledConfig keeps the real limit of an account, raises that of the address, and makes locks last.
const throttledConfig = `
access_log: false
limits:
  login: {ip: 1000000/1s, account: 3/10h}
  register: {ip: 1000000/1s, account: 1000000/1s}
  refresh: {ip: 1000000/1s, credential: 1000000/1s}
`

func measureRefusals(name, config string, classes []*class) error {
	s, err := startConfigured(name, "", config)
	if err != nil {
		return err
	}
	defer s.stop()
	var c conn
	defer c.close()
	login := func(account string) (response, error) {
		return c.roundTrip(s.addr, postRequest(s.addr, "/api/v1/login", credentials(account+"@example.test", "not-the-password-9")))
	}
	for _, account := range []string{"known@example.test", "disabled@example.test"} {
		if err := s.createUser(account); err != nil {
			return err
		}
	}
	if _, err := runCommand("", s.env, s.binary, "user", "disable", "disabled@example.test"); err != nil {
		return err
	}
	for range 5 { // locks the accounts that can be locked, warms up the others
		for _, class := range classes {
			if _, err := login(class.account(0)); err != nil {
				return err
			}
		}
	}
	const rounds = 300
	for i := range rounds {
		for k := range classes {
			class := classes[(i+k)%len(classes)] // no class always follows the same class
			a, err := login(class.account(i + 1))
			if err != nil || a.status != class.status {
				return fmt.Errorf("%s: status %d, %w", class.name, a.status, err)
			}
			class.times = append(class.times, a.took)
		}
	}
	fmt.Println("| class | answer | median | p5 | p95 | Mann-Whitney p | median difference |\n|---|---:|---:|---:|---:|---:|---:|")
	for _, class := range classes {
		r := result{times: sorted(class.times)}
		p := mannWhitney(classes[0].times, class.times)
		diff := float64(median(class.times)-median(classes[0].times)) / float64(median(classes[0].times))
		fmt.Printf("| %s | %d | %s | %s | %s | %.3f | %+.2f %% |\n", class.name, class.status, formatDuration(median(class.times)), formatDuration(r.quantile(.05)), formatDuration(r.quantile(.95)), p, 100*diff)
	}
	fmt.Println()
	return nil
}
