package config

import (
	"regexp"
	"slices"
	"strings"
)

// configEnv names the configuration file. It is not a setting, because a file cannot name
// itself.
const configEnv = envPrefix + "CONFIG"

// ignoredEnv are the prefixes of variables of tests and of the fault points of test
// builds.
var ignoredEnv = []string{envPrefix + "TEST_", envPrefix + "FAULT_"}

// serviceEnv matches the variables that Kubernetes sets in every container of a namespace
// with a service named watchword or watchword-something.
var serviceEnv = regexp.MustCompile(`^WATCHWORD_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)=` +
	`(tcp://|udp://|sctp://|[0-9a-f.:]+$|tcp$|udp$|sctp$)`)

type environment struct {
	config      string
	credentials string // of systemd
	inputs      map[string][]input
}

// environment returns the variables with envPrefix by setting. An empty variable counts as
// not set: Compose files and unit files leave one out that way. Of two variables with the
// same name the last one counts.
func (l *loader) environment(vars []string) environment {
	values, credentials := map[string]string{}, ""
	for _, v := range vars {
		name, value, ok := strings.Cut(v, "=")
		if name == credentialsEnv {
			credentials = value
		}
		if ok && strings.HasPrefix(name, envPrefix) && value != "" && !serviceEnv.MatchString(v) &&
			!slices.ContainsFunc(ignoredEnv, func(p string) bool { return strings.HasPrefix(name, p) }) {
			values[name] = value
		} else if value == "" {
			delete(values, name)
		}
	}
	env := environment{config: values[configEnv], credentials: credentials, inputs: map[string][]input{}}
	delete(values, configEnv)
	for name, value := range values {
		f, indirect := described().byEnv[name], false
		if base, ok := strings.CutSuffix(name, "_FILE"); f == nil && ok {
			if f = described().byEnv[base]; f != nil && !f.Secret {
				f = nil
			}
			indirect = true
		}
		if f == nil {
			l.unknown(name, "environment", append(settingKeys(true), configEnv))
			continue
		}
		env.inputs[f.Key] = append(env.inputs[f.Key], input{text: value, from: name, indirect: indirect})
	}
	return env
}
