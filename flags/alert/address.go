package alert

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"syscall"

	"tidemark/flags"
)

// ParsePrefixes reads a list of addresses and networks, such as 10.1.0.0/16 or
// 127.0.0.1.
func ParsePrefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not an address or a network such as 10.1.0.0/16", flags.ErrInvalid, s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// special lists networks that are not the public internet and that netip does not
// tell apart: RFC 6890 and its updates.
func special() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::/96"),
		netip.MustParsePrefix("::ffff:0:0:0/96"),
		netip.MustParsePrefix("64:ff9b::/96"),
		netip.MustParsePrefix("64:ff9b:1::/48"),
		netip.MustParsePrefix("100::/64"),
		netip.MustParsePrefix("2001::/23"),
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("2002::/16"),
		netip.MustParsePrefix("3fff::/20"),
		netip.MustParsePrefix("5f00::/16"),
		netip.MustParsePrefix("fec0::/10"),
	}
}

// guard decides where messages may go.
type guard struct {
	allow   []netip.Prefix
	special []netip.Prefix
}

// control is a net.Dialer.Control: it sees the address that the name was resolved
// to, so a name that changes its mind after a check gains nothing.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return g.check(ap.Addr())
}

func (g *guard) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(g.allow, in) {
		return nil
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || slices.ContainsFunc(g.special, in) {
		return fmt.Errorf("%w: %s is not a public address; networks inside must be allowed in the settings", flags.ErrRefused, a)
	}
	return nil
}

// CheckURL says what is wrong with the URL of a webhook, as far as can be told
// without resolving its name.
func CheckURL(raw string, allow []netip.Prefix) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > 2000:
		return fmt.Errorf("%w: url: must be an absolute URL of at most 2000 characters", flags.ErrInvalid)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: url: must begin with https:// or http://", flags.ErrInvalid)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%w: url: must name a host, without user and fragment", flags.ErrInvalid)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		g := &guard{allow, special()}
		if err := g.check(a); err != nil {
			return fmt.Errorf("url: %w", err)
		}
	}
	return nil
}
