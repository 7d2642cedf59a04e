package clients_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// metadataQuestions compare each member of the metadata of either provider (RFC 8414 §2).
func metadataQuestions(us, peer *testProvider) (all []comparison) {
	names := map[string]bool{}
	for _, p := range []*testProvider{us, peer} {
		for name := range p.metadata {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, comparison{"metadata: " + name, func(p *testProvider) string { return p.member(name) }})
	}
	return all
}

// member describes a member: a URL only as such, since the paths differ, and a list in order.
func (p *testProvider) member(name string) string {
	switch v := p.metadata[name].(type) {
	case nil:
		return "absent"
	case string:
		if v == p.base {
			return "the issuer"
		}
		if strings.HasPrefix(v, p.base+"/") {
			return "an address"
		}
		return v
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, fmt.Sprint(e))
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	default:
		return fmt.Sprint(v)
	}
}
