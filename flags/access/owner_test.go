package access_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags/access"
)

func TestWhoOwnsAndWhoConsumes(t *testing.T) {
	t.Parallel()
	key := func(name string, end time.Time, scopes ...access.Scope) access.Key {
		return access.Key{Name: name, Scopes: scopes, ExpiresAt: end}
	}
	got := access.Ownerships(
		[]string{"cart", "feed"},
		[]access.Team{{Name: "shop", Features: []string{"cart", "checkout"}}},
		[]access.Key{
			key("cart-api", time.Time{}, "publish:cart", "read"), key("cart-api", time.Time{}, "publish:cart"), // rotating
			key("old-api", t0, "publish:cart"), // dead
			key("indexer", time.Time{}, "consume:cart", "consume:search"), key("gateway", time.Time{}, "consume:*"),
		}, t0)
	want := []access.Ownership{
		{Feature: "cart", Team: "shop", Publishers: []string{"cart-api"}, Consumers: []string{"gateway", "indexer"}},
		{Feature: "checkout", Team: "shop", Publishers: []string{}, Consumers: []string{"gateway"}},
		{Feature: "feed", Publishers: []string{}, Consumers: []string{"gateway"}},
		{Feature: "search", Publishers: []string{}, Consumers: []string{"gateway", "indexer"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
