package main

import (
	"fmt"
	"slices"
	"time"
)

// beforeRounds is how often both versions are measured, in turn.
const beforeRounds = 12

// beforeSection compares what issues tokens with another version of the server. Both run side by side and are
// measured in turn, since the speed of a shared machine varies.
func beforeSection(*bench) error {
	if *before == "" {
		return nil
	}
	fmt.Printf("### Beside the version before\n\nBoth versions in turn, %d times; medians, and the middle half of the ratios of each turn.\n\n"+
		"| what | CPU a request before | now | ratio | middle half |\n|---|---:|---:|---:|---:|\n", beforeRounds)
	databases := []string{"SQLite"}
	if *postgres != "" {
		databases = append(databases, "PostgreSQL")
	}
	for _, name := range databases {
		if err := compareVersions(name); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

// version is a server of one version with its loads.
type version struct {
	*server
	loads map[string]load
}

func compareVersions(database string) error {
	var versions [2]version // before, now
	for i, path := range []string{*before, *binary} {
		url := ""
		if database != "SQLite" {
			made, drop, err := newDatabase()
			if err != nil {
				return err
			}
			defer drop()
			url = made
		}
		s, err := startBinary(path, fmt.Sprintf("before-%s-%d", database, i), url, settings)
		if err != nil {
			return err
		}
		defer s.stop()
		if versions[i], err = prepareVersion(s); err != nil {
			return err
		}
	}
	for _, what := range []string{"refresh", "client_credentials"} {
		costs, err := measureInTurn(versions, what)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		var ratios []float64
		for n := range costs[0] {
			ratios = append(ratios, float64(costs[1][n])/float64(costs[0][n]))
		}
		slices.Sort(ratios)
		quarter := len(ratios) / 4
		fmt.Printf("| %s, %s | %s | %s | %.3f | %.3f–%.3f |\n", what, database, formatDuration(median(costs[0])), formatDuration(median(costs[1])),
			ratios[len(ratios)/2], ratios[quarter], ratios[len(ratios)-1-quarter])
	}
	return nil
}

// prepareVersion creates the users and the client of the loads.
func prepareVersion(s *server) (v version, err error) {
	tokens, err := s.signInUsers(16)
	if err != nil {
		return v, err
	}
	client, err := s.createMachineClient()
	return version{s, map[string]load{
		"refresh":            s.refreshes(tokens, *span),
		"client_credentials": s.posts("/oauth2/token", "grant_type=client_credentials", client),
	}}, err
}

// measureInTurn returns the CPU of each request in each round, before and now. The versions change places
// from round to round.
func measureInTurn(versions [2]version, what string) (costs [2][]time.Duration, err error) {
	for round := range beforeRounds + 1 {
		for turn := range 2 {
			i := (round + turn) % 2
			v := versions[i]
			used := v.cpu()
			r := v.loads[what].run()
			used = v.cpu() - used
			if r.failed > 0 || r.requests == 0 {
				return costs, fmt.Errorf("%s: %d of %d requests failed: %w", v.name, r.failed, r.failed+r.requests, r.firstErr)
			}
			if round > 0 { // the first one warms both up
				costs[i] = append(costs[i], used/time.Duration(r.requests))
			}
		}
	}
	return costs, nil
}
