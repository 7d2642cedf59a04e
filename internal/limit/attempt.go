package limit

import "net/netip"

// Attempt is one attempt at an account, by its owner or by someone else.
type Attempt struct {
	Rule    string // what is attempted
	Account string // tenant and account, or a placeholder for an account that does not exist
	// KnownBrowser identifies the known browser of the account that the attempt comes from; empty
	// for none.
	KnownBrowser string
	// Session is the session of the attempt; empty for attempts that need none.
	Session string
	Addr    netip.Addr
}

// GuessBuckets returns the buckets of a password attempt. r is the rate of each browser and
// network; all unknown browsers together have three times that rate.
func (a Attempt) GuessBuckets(r Rate) []Bucket { return a.buckets(r, r.Times(3)) }

// MailBuckets returns the buckets of an attempt that sends a mail to the owner of the account. r
// is the rate of all unknown browsers together; each network has half of it.
func (a Attempt) MailBuckets(r Rate) []Bucket { return a.buckets(r.half(), r) }

// buckets returns the buckets that count the attempt. A known browser has its own bucket and
// shares none with others, so that attackers cannot lock out the owner. Otherwise each network
// (or session) has a bucket, IPv6 by /64 and with twice the rate by /48, and all networks
// together have another. One network cannot exhaust that while all is more than each, so the
// owner can sign in from another network.
func (a Attempt) buckets(each, all Rate) []Bucket {
	key := func(class, source string) string { return a.Rule + "." + class + "|" + a.Account + "|" + source }
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
