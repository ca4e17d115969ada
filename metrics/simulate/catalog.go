package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/metrics"
)

const (
	ms = time.Millisecond
	µs = time.Microsecond
)

// Names lists the named scenarios, sorted.
func Names() []string { return slices.Sorted(maps.Keys(catalogue())) }

// Named returns a named scenario; the error names those that exist.
func Named(name string) (Scenario, error) {
	f, ok := catalogue()[name]
	if !ok {
		return Scenario{}, fmt.Errorf("%w %q: no such scenario; there are %s", ErrScenario, name, strings.Join(Names(), ", "))
	}
	sc := f()
	sc.Name = name
	return sc, nil
}

func catalogue() map[string]func() Scenario {
	return map[string]func() Scenario{
		"steady":         steady,
		"partition":      partition,
		"slow-replica":   slowReplica,
		"conflict-storm": conflictStorm,
		"skewed-clock":   skewedClock,
		"stuck-consumer": stuckConsumer,
		"bad-candidate":  badCandidate,
		"good-candidate": goodCandidate,
		"pbs-lnkd-ssd":   pbsSSD,
		"pbs-wan":        pbsWAN,
		"demo":           demo,
	}
}

// quick is a latency within one region: a body and a modest tail.
func quick(median time.Duration) Dist {
	return Mix{
		{Weight: 97, Dist: LogNormal{Median: median, Sigma: 0.35}},
		{Weight: 3, Dist: Pareto{Min: 2 * median, Alpha: 2.2}},
	}
}

func network() Legs {
	return Legs{W: quick(12 * ms), A: quick(4 * ms), R: quick(3 * ms), S: quick(3 * ms)}
}

// reporting is how well-kept services report.
func reporting() Telemetry {
	return Telemetry{Delay: Uniform{20 * ms, 900 * ms}, Duplicate: 0.01, Heartbeat: 5 * time.Second}
}

// profile is a feature with one primary, a search index and two regional caches
// that are fed from an event stream: the base of most scenarios.
func profile() Feature {
	return Feature{
		Name: "profile-edit", Entity: "profile", Owner: "profile-api", Mechanism: "event_stream",
		Versions: metrics.VersionSeq, Keys: 5000, Fields: []string{"name", "bio", "avatar", "timezone"},
		Labels: []string{"pii"}, Tenants: []string{"acme", "globex", "initech"},
		Origins: []Origin{{Name: "primary", Service: "profile-api", Region: "eu"}},
		Replicas: []Replica{
			{Name: "cache-eu", Service: "profile-cache", Region: "eu", Legs: network(), Apply: quick(2 * ms)},
			{Name: "cache-us", Service: "profile-cache", Region: "us", Legs: network(), Apply: quick(2 * ms)},
			{Name: "search", Service: "search-indexer", Region: "eu", Legs: network(), Apply: quick(8 * ms), Visible: quick(35 * ms)},
		},
		Cross: quick(40 * ms), Commit: quick(4 * ms), Publish: quick(6 * ms),
		Redeliver: 0.004, Fail: 0.002, Drop: 0.0005, Retry: Uniform{150 * ms, 400 * ms},
		Sessions: Sessions{
			PerSecond: 3, Ops: 6, Writes: 0.35, Think: LogNormal{Median: 700 * ms, Sigma: 0.8},
			ReadBack: 0.5, BackAfter: LogNormal{Median: 250 * ms, Sigma: 0.7}, Users: 5000, OwnKey: true,
			Unversioned: 0.01,
		},
		Telemetry: reporting(),
	}
}

func steady() Scenario {
	return Scenario{
		Summary:  "A healthy store: every replica sees every write within a fraction of a second.",
		Features: []Feature{profile()},
	}
}

func partition() Scenario {
	f := profile()
	f.Faults = []Fault{{Kind: Partition, Place: "us", After: 10 * time.Second, For: 20 * time.Second, Every: time.Minute}}
	return Scenario{
		Summary:  "Ten seconds in, the region us is cut off for twenty seconds of each minute; its writes wait and then catch up.",
		Features: []Feature{f},
	}
}

func slowReplica() Scenario {
	f := profile()
	f.Faults = []Fault{{Kind: Slow, Place: "cache-us", After: 5 * time.Second, Factor: 20}}
	return Scenario{
		Summary:  "After five seconds messages to the replica cache-us take twenty times as long; the others are well.",
		Features: []Feature{f},
	}
}

func stuckConsumer() Scenario {
	f := profile()
	f.Faults = []Fault{{Kind: Stuck, Place: "search", After: 10 * time.Second, For: 40 * time.Second, Every: 2 * time.Minute}}
	return Scenario{
		Summary:  "Ten seconds in, the consumer search fails on one write for forty seconds of every two minutes: it lives and reports, but its backlog grows.",
		Features: []Feature{f},
	}
}

// cart is edited from several devices in two regions at once, without a primary.
func cart() Feature { return everywhere("cart", "cart", "crdt") }

// everywhere is a feature that is written in two regions and read in three.
func everywhere(name, entity, mechanism string) Feature {
	api := entity + "-api"
	return Feature{
		Name: name, Entity: entity, Owner: api, Mechanism: mechanism,
		Versions: metrics.VersionVV, Keys: 4000, Skew: 1.05, Fields: []string{"items/0/qty", "items/1/qty", "coupon"},
		Tenants: []string{"acme", "globex"},
		Origins: []Origin{
			{Name: entity + "-eu", Service: api, Region: "eu"},
			{Name: entity + "-us", Service: api, Region: "us"},
		},
		Replicas: []Replica{
			{Name: entity + "-eu", Service: api, Region: "eu", Legs: network(), Apply: quick(2 * ms)},
			{Name: entity + "-us", Service: api, Region: "us", Legs: network(), Apply: quick(2 * ms)},
			{Name: entity + "-ap", Service: api, Region: "ap", Legs: network(), Apply: quick(2 * ms)},
		},
		Cross: quick(45 * ms), Commit: quick(3 * ms), Drop: 0.0005, Redeliver: 0.003, Retry: Uniform{100 * ms, 300 * ms},
		Rule: Rule{
			Kind: Merge, Name: "cart-merge", Version: "3", Delay: quick(60 * ms),
			Manual: 0.05, Person: LogNormal{Median: 25 * time.Second, Sigma: 0.6},
		},
		Sessions: Sessions{
			PerSecond: 2.5, Ops: 6, Writes: 0.5, Think: LogNormal{Median: 900 * ms, Sigma: 0.8},
			ReadBack: 0.4, BackAfter: LogNormal{Median: 200 * ms, Sigma: 0.7}, Users: 4000,
		},
		Telemetry: reporting(),
	}
}

func conflictStorm() Scenario {
	f := cart()
	f.Rule.Manual = 0.1
	g := everywhere("seat-map", "seat", "replication")
	g.Rule = Rule{Kind: OwnerWins, Name: "seat-owner", Version: "1", Delay: quick(20 * ms)}
	h := notes()
	for _, x := range []*Feature{&f, &g, &h} {
		x.Keys, x.Skew, x.Sessions.PerSecond = 8, 0, 4
	}
	return Scenario{
		Summary:  "Two regions write a few hot keys at once: conflicts everywhere, settled by merge, by owner and by last writer.",
		Features: []Feature{f, g, h},
	}
}

// notes are ordered by hybrid logical clocks; the later stamp wins.
func notes() Feature {
	f := everywhere("notes", "note", "replication")
	f.Versions, f.Keys = metrics.VersionHLC, 300
	f.Rule = Rule{Kind: LastWriterWins, Name: "notes-lww", Version: "1", Delay: quick(20 * ms)}
	return f
}

func skewedClock() Scenario {
	f := profile()
	f.Replicas[0].Clock = Clock{Skew: -80 * ms, Measured: true, Error: 2 * ms}
	f.Replicas[1].Clock = Clock{Skew: 350 * ms, Drift: 20e-6, Measured: true, Error: 4 * ms}
	f.Replicas[2].Clock = Clock{Skew: -250 * ms} // nobody measured this one: its lags come out negative
	g := notes()
	g.Keys, g.Skew, g.Sessions.PerSecond = 8, 0, 4
	g.Origins[1].Clock = Clock{Skew: 800 * ms}
	g.Replicas[1].Clock = Clock{Skew: 800 * ms}
	return Scenario{
		Summary:  "Clocks disagree: two measured their offset and one did not, and a region whose clock is ahead wins conflicts it should lose.",
		Features: []Feature{f, g},
	}
}

// rollout is a feature with two arms of the flag profile-consistency.
func rollout(candidate Arm) Feature {
	f := profile()
	f.Flag = "profile-consistency"
	f.Arms = []Arm{candidate, {Variant: "control", Model: Eventual, Share: 0.5}}
	return f
}

func badCandidate() Scenario {
	return Scenario{
		Summary:  "Half the users get a causal candidate that is eight times slower to arrive and loses messages.",
		Features: []Feature{rollout(Arm{Variant: "candidate", Model: Causal, Share: 0.5, Slow: 8, Lose: 0.05})},
	}
}

func goodCandidate() Scenario {
	return Scenario{
		Summary:  "Half the users get a read-your-writes candidate that costs nothing and breaks no session.",
		Features: []Feature{rollout(Arm{Variant: "candidate", Model: ReadYourWrite, Share: 0.5})},
	}
}

// pbs is a partial quorum of three with R = W = 1, whose sessions read each write
// back as soon as it is committed.
func pbs(name string, legs Legs) Feature {
	f := Feature{
		Name: name, Entity: "row", Owner: name, Mechanism: "replication", Versions: metrics.VersionSeq,
		Keys: 100_000, WriteQuorum: 1, ReadQuorum: 1,
		Sessions: Sessions{
			PerSecond: 10, Ops: 1, Writes: 1, ReadBack: 1, Users: 100_000, OwnKey: true,
		},
		Telemetry: Telemetry{Delay: Uniform{5 * ms, 50 * ms}, Heartbeat: 5 * time.Second},
	}
	for i, region := range []string{"dc1", "dc2", "dc3"} {
		f.Replicas = append(f.Replicas, Replica{
			Name: fmt.Sprintf("node-%d", i+1), Service: "store", Region: region, Legs: legs, NoReceived: true,
		})
	}
	return f
}

// LinkedInSSD is the quorum of the PBS paper's LNKD-SSD figures, N = 3, R = W = 1.
func LinkedInSSD() Quorum {
	return Quorum{N: 3, R: 1, W: 1, Legs: Legs{SSD(), SSD(), SSD(), SSD()}}
}

// WideArea is the quorum of the paper's WAN figures, N = 3, R = W = 1.
func WideArea() Quorum {
	return Quorum{
		N: 3, R: 1, W: 1, Legs: Legs{Disk(), SSD(), SSD(), SSD()},
		Centres: 3, Between: 75 * ms,
	}
}

func pbsSSD() Scenario {
	f := pbs("pbs-ssd", LinkedInSSD().Legs)
	for i := range f.Replicas {
		f.Replicas[i].Region = "dc1"
	}
	f.Origins = []Origin{{Name: "coordinator", Service: "coordinator", Region: "dc1"}}
	return Scenario{
		Summary:  "The PBS paper's LinkedIn store on solid-state disks (N=3, R=W=1): 97.4% of reads begun at the commit see the write.",
		Features: []Feature{f},
	}
}

func pbsWAN() Scenario {
	f := pbs("pbs-wan", WideArea().Legs)
	f.Cross = Const(75 * ms)
	f.Sessions.Roam = true
	for _, dc := range []string{"dc1", "dc2", "dc3"} {
		f.Origins = append(f.Origins, Origin{Name: "coordinator-" + dc, Service: "coordinator", Region: dc})
	}
	return Scenario{
		Summary:  "The PBS paper's wide-area store (N=3, R=W=1, 75 ms between centres): a third of reads begun at the commit see the write.",
		Features: []Feature{f},
	}
}
