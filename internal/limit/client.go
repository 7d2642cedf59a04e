package limit

import (
	"net/netip"
	"strings"
)

const (
	// maxHops is the largest number of entries of forwarding headers that are read.
	maxHops = 32
	// maxHop is longer than any address with brackets, zone and port.
	maxHop = 64
)

// ClientIP returns the address that a request came from. remoteAddr is the peer of
// the connection ("192.0.2.1:1234"), forwarded the values of X-Forwarded-For in
// their order, trusted the networks of proxies whose header is believed.
//
// Only a trusted peer's header counts, and of it only the part that trusted proxies wrote: it is
// read from the right, past trusted addresses, up to the first one that is not trusted. Entries
// to the left of it are ignored, because anyone can write them. At an entry that is no address,
// the result is the last address before it. The result has no zone, and IPv4 is never mapped into
// IPv6; it is the zero Addr when remoteAddr holds no address.
func ClientIP(remoteAddr string, forwarded []string, trusted []netip.Prefix) netip.Addr {
	client, ok := parseHop(remoteAddr)
	if !ok {
		return netip.Addr{}
	}
	hops := 0
	for i := len(forwarded) - 1; i >= 0; i-- {
		for rest, more := forwarded[i], true; more; {
			if hops++; hops > maxHops || !isTrusted(client, trusted) {
				return client
			}
			var hop string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, hop = rest[:at], rest[at+1:]
			} else {
				hop, more = rest, false
			}
			next, ok := parseHop(hop)
			if !ok {
				return client
			}
			client = next
		}
	}
	return client
}

// AddressKey returns the key by which an address is counted. It is the /64 for IPv6, because a
// customer commonly holds a whole /64 and can use a new address for each request. All requests of
// unknown origin (the zero Addr) share one key.
func AddressKey(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		return prefix(addr, 64)
	}
	if !addr.IsValid() {
		return "unknown"
	}
	return addr.String()
}

// widerPrefixes are the networks by which IPv6 is counted in addition to the /64, with the
// factors of their rates. They are the usual allocations of one customer and one site, which many
// users can share.
var widerPrefixes = [...]struct{ bits, times int }{{56, 4}, {48, 16}}

// AddressBuckets returns the buckets by which a rule counts an address: one for IPv4, and for
// IPv6 those of its /64, its /56 and its /48.
func AddressBuckets(rule string, addr netip.Addr, r Rate) []Bucket {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return []Bucket{{rule + "|" + AddressKey(addr), r}}
	}
	buckets := make([]Bucket, 1, 1+len(widerPrefixes))
	buckets[0] = Bucket{rule + "|" + AddressKey(addr), r}
	for _, w := range widerPrefixes {
		buckets = append(buckets, Bucket{rule + "|" + prefix(addr, w.bits), r.Times(w.times)})
	}
	return buckets
}

func prefix(addr netip.Addr, bits int) string {
	p, _ := addr.Prefix(bits)
	return p.String()
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parseHop reads ADDR, ADDR:PORT, [ADDR] and [ADDR]:PORT.
func parseHop(s string) (netip.Addr, bool) {
	if len(s) > 2*maxHop {
		return netip.Addr{}, false
	}
	s = strings.Trim(s, " \t")
	if len(s) > maxHop {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		if ap, perr := netip.ParseAddrPort(s); perr == nil {
			addr = ap.Addr()
		} else if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
			if addr, err = netip.ParseAddr(inner[:len(inner)-1]); err != nil || !addr.Is6() {
				return netip.Addr{}, false
			}
		} else {
			return netip.Addr{}, false
		}
	}
	return addr.Unmap().WithZone(""), true
}
