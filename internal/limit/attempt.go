package limit

import "net/netip"

// Attempt is one attempt at an account, by its owner or by anybody else.
type Attempt struct {
	Rule    string // what is attempted
	Account string // tenant and account, or what stands for an account that does not exist
	// KnownBrowser names the browser that the account knows, if the attempt comes from one.
	KnownBrowser string
	// Session is the session in which the attempt is made, if it needs one.
	Session string
	Addr    netip.Addr
}

// GuessBuckets returns the buckets of an attempt that shows a password, of which r lets each browser
// and network try so many: all that the account does not know, together, may try three times as
// many.
func (a Attempt) GuessBuckets(r Rate) []Bucket { return a.buckets(r, r.Times(3)) }

// MailBuckets returns the buckets of an attempt that has a mail sent to the owner of the account, of
// which r lets strangers have so many sent in all: one network gets half of them.
func (a Attempt) MailBuckets(r Rate) []Bucket { return a.buckets(r.half(), r) }

// buckets returns the buckets that count the attempt, so that the owner of an account and
// strangers share none. A browser that the account knows has a bucket of its own. Of everybody
// else each network (or session) has one, IPv6 by /64 and with twice the rate by /48, and all of
// them together have another: attempts from one place cannot use that up as long as all
// is more than each, so the owner gets in from another place.
func (a Attempt) buckets(each, all Rate) []Bucket {
	key := func(class, who string) string { return a.Rule + "." + class + "|" + a.Account + "|" + who }
	if a.KnownBrowser != "" {
		return []Bucket{{key("known", a.KnownBrowser), each}}
	}
	together := Bucket{a.Rule + ".account|" + a.Account, all}
	if a.Session != "" {
		return []Bucket{{key("session", a.Session), each}, together}
	}
	narrow := Bucket{key("network", AddressKey(a.Addr)), each}
	addr := a.Addr.Unmap().WithZone("")
	if !addr.Is6() {
		return []Bucket{narrow, together}
	}
	return []Bucket{narrow, {key("network", prefix(addr, 48)), each.Times(2)}, together}
}
