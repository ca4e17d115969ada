package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// ipExtractor trusts X-Forwarded-For only from the proxies that were named: echo by
// itself believes anyone, and reads no addresses with a port, as some proxies write them.
func ipExtractor(proxies []netip.Prefix) echo.IPExtractor {
	direct := echo.ExtractIPDirect()
	if len(proxies) == 0 {
		return direct
	}
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) string {
		from := direct(r)
		a, ok := forwardedBy(from)
		if !ok || !trusted(a) {
			return from
		}
		// Each proxy adds at the end whom it was asked by: the first that is no proxy counts.
		said := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
		who := from
		for _, s := range slices.Backward(said) {
			a, ok := forwardedBy(strings.TrimSpace(s))
			if !ok {
				return from
			}
			if who = a.String(); !trusted(a) {
				break
			}
		}
		return who
	}
}

// forwardedBy reads an address, with a port or without: 192.0.2.1, 192.0.2.1:4711,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:4711.
func forwardedBy(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return a, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}
