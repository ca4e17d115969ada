package simulate

import (
	"embed"
	"io/fs"
	"time"

	"tidemark/metrics"
)

// DemoHistory is when, after its start, the demonstration's present begins: what
// comes before is the past that its charts show.
const DemoHistory = 30 * time.Minute

//go:embed demo/*.yaml
var demoDocuments embed.FS

// DemoGuarantees is a folder with the written promises of the demonstration's
// features: with them one is broken, one at risk, one unknown and two are kept.
func DemoGuarantees() (fs.FS, error) { return fs.Sub(demoDocuments, "demo") }

// demo is five features. search-index got stuck twice in the past, and one of its
// replicas falls silent again and again from the present on: broken. cart is late
// for as many writes as its promise just allows: at risk. Nobody has reported
// about invoices for a while: unknown. The others are well. The past is quiet, so that
// it is sent within seconds on a busy machine too.
func demo() Scenario {
	s := Scenario{
		Summary:  "Five features for the demonstration: one promise broken, one at risk, one unknown, two kept.",
		Features: []Feature{demoSearch(), demoCart(), demoProfile(), demoFeed(), demoInvoices()},
	}
	for i := range s.Features {
		s.Features[i].Sessions.Quiet = Quiet{Until: DemoHistory, Share: 0.2}
	}
	s.Features[1].Sessions.Quiet.Share = 0.6 // Enough of a budget to outlast the bad candidate.
	return s
}

func demoSearch() Feature {
	f := profile()
	f.Name, f.Entity, f.Owner = "search-index", "listing", "catalogue-api"
	f.Fields, f.Labels, f.Tenants = []string{"title", "price", "stock"}, nil, nil
	f.Origins = []Origin{{Name: "catalogue", Service: "catalogue-api", Region: "eu"}}
	f.Replicas = []Replica{searchReplica("search-eu", "eu"), searchReplica("search-us", "us")}
	f.Sessions.PerSecond, f.Sessions.Users, f.Keys = 2, 800, 800
	f.Faults = []Fault{
		{Kind: Stuck, Place: "search-eu", After: 6 * time.Minute, For: 4 * time.Minute},
		{Kind: Stuck, Place: "search-eu", After: 18 * time.Minute, For: 3 * time.Minute},
		{Kind: Down, Place: "search-eu", After: DemoHistory + 10*time.Second, For: 40 * time.Second, Every: 3 * time.Minute},
	}
	return f
}

func searchReplica(name, region string) Replica {
	return Replica{
		Name: name, Service: "search-indexer", Region: region, Kind: metrics.StateBased,
		Legs: network(), Apply: quick(30 * ms), Visible: quick(180 * ms), CatchUp: 60,
	}
}

func demoCart() Feature {
	f := cart()
	// Writes of so much of each minute, and what waits for them, are late: about 80 %
	// of the 5 % that the promise allows.
	f.Faults = []Fault{{Kind: Slow, Place: "cart-ap", After: 20 * time.Second, For: 2450 * ms, Every: time.Minute, Factor: 150}}
	// The relay keeps the order, and what comes through it comes late.
	f.Arms = []Arm{
		{Variant: "causal", Model: Causal, Slow: 30, Lose: 0.02},
		{Variant: "eventual", Model: Eventual, Share: 1},
	}
	f.Flag, f.Sessions.PerSecond = "cart-consistency", 5
	f.Rule.Astray = "cart-us" // Still runs the rule before: its merges keep the earlier value.
	for i := range f.Replicas {
		f.Replicas[i].Clock.Measured = true // So that it can be told which write was later.
	}
	return f
}

func demoProfile() Feature {
	f := profile()
	f.Sessions.PerSecond, f.Sessions.Users, f.Keys = 5, 5000, 5000
	for i := range f.Replicas {
		f.Replicas[i].Kind = metrics.StateBased
	}
	f.Flag = "profile-consistency"
	f.Arms = []Arm{
		{Variant: "causal", Model: Causal, Slow: 0.5},
		{Variant: "read-your-writes", Model: ReadYourWrite, Share: 1},
	}
	return f
}

func demoFeed() Feature {
	f := profile()
	f.Name, f.Entity, f.Owner, f.Mechanism = "feed", "post", "feed-api", "cdc"
	f.Fields, f.Labels, f.Tenants = []string{"text", "likes"}, nil, nil
	f.Origins = []Origin{{Name: "posts", Service: "feed-api", Region: "eu", Clock: Clock{Skew: -12 * ms, Measured: true, Error: 2 * ms}}}
	f.Replicas = []Replica{
		{Name: "feed-eu", Service: "feed-builder", Region: "eu", Legs: network(), Apply: quick(400 * ms)},
		{
			Name: "feed-us", Service: "feed-builder", Region: "us", Legs: network(), Apply: quick(900 * ms),
			Clock: Clock{Skew: 38 * ms, Drift: 2e-6, Measured: true, Error: 4 * ms},
		},
	}
	f.Sessions.PerSecond, f.Sessions.Users, f.Keys = 1.5, 2500, 2500
	f.Sessions.OwnKey, f.Skew = false, 1.05
	return f
}

func demoInvoices() Feature {
	f := profile()
	f.Name, f.Entity, f.Owner, f.Mechanism = "invoices", "invoice", "billing-api", "replication"
	f.Fields, f.Labels = []string{"total", "due"}, []string{"financial"}
	f.Publish = nil
	f.Origins = []Origin{{Name: "ledger", Service: "billing-api", Region: "eu"}}
	f.Replicas = []Replica{
		{Name: "invoices-eu", Service: "billing-replica", Region: "eu", Kind: metrics.StateBased, Legs: network()},
		{Name: "invoices-us", Service: "billing-replica", Region: "us", Kind: metrics.StateBased, Legs: network()},
	}
	f.Arms = []Arm{{Model: MonotonicRead, Share: 1}}
	f.Sessions.PerSecond, f.Sessions.Users, f.Keys = 0.8, 1200, 1200
	f.Faults = []Fault{{Kind: Silent, After: DemoHistory - 14*time.Minute}}
	return f
}
