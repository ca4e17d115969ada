package sync

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc/peer"
)

// TestANetworkOfAddressesIsOneCaller: who has one address of an IPv6 network has all.
func TestANetworkOfAddressesIsOneCaller(t *testing.T) {
	t.Parallel()
	from := func(ip string) string {
		return addressOf(peer.NewContext(context.Background(), &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}}))
	}
	if a, b := from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff::9"); a != b || a == "" {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := from("2001:db8:1:2::1"), from("2001:db8:1:3::1"); a == b {
		t.Errorf("two networks are one: %q", a)
	}
	if got := from("192.0.2.7"); got != "192.0.2.7" || from("::ffff:192.0.2.7") != got {
		t.Errorf("%q", got)
	}
}
