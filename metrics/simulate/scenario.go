package simulate

import (
	"fmt"
	"slices"
	"time"

	"tidemark/metrics"
)

// Limits of a scenario.
const (
	maxFeatures = 64
	maxPlaces   = 64 // replicas and origins of one feature
	maxOrigins  = 8
	maxKeys     = 1 << 20
)

// Scenario is a system to simulate.
type Scenario struct {
	Name     string
	Summary  string // one sentence: what can be seen
	Features []Feature
	// Duration is how long users act; 0 is without end. What is under way then is
	// finished, for at most a minute.
	Duration time.Duration
	// Ask decides which arm a session is in, for features that have a flag; nil = the
	// arms' shares do.
	Ask Ask
}

// Feature is one user-visible capability and the store behind it.
type Feature struct {
	Name      string
	Entity    string
	Owner     string // the service that owns the keys
	Mechanism string // as metrics.Event.Mechanism
	Flag      string // the flag that assigns Arms
	Versions  metrics.VersionKind
	Keys      int     // distinct keys, from 1
	Skew      float64 // Zipf exponent of key popularity, above 1; 0 = uniform
	Fields    []string
	Labels    []string // on every write
	Tenants   []string // one label tenant:… a write, by user

	Origins  []Origin  // where writes begin; sessions are spread over them
	Replicas []Replica // what writes are expected to reach
	Cross    Dist      // added to each message between regions
	Commit   Dist      // initiated → committed, at the origin
	Publish  Dist      // committed → published; nil = no such stage
	// WriteQuorum > 0 replaces Commit: messages leave at initiation, and the write
	// commits when so many replicas have acknowledged it. ReadQuorum is the number
	// of responses that a read waits for; 0 = it asks one replica.
	WriteQuorum, ReadQuorum int

	Drop      float64 // share of deliveries lost on the way
	Redeliver float64 // share of deliveries that come twice: replays
	Fail      float64 // share of attempts to apply that fail
	Retry     Dist    // until the next attempt after a loss or failure; nil = none follows
	Rule      Rule
	Sessions  Sessions
	Arms      []Arm // none = one arm of the model Eventual
	Telemetry Telemetry
	Faults    []Fault
}

// Origin is a service that takes writes. When it bears the name of a replica it
// is that replica: its own writes are applied there as they commit.
type Origin struct {
	Name, Service, Region string
	Clock                 Clock
}

// Replica is a copy of the data.
type Replica struct {
	Name, Service, Region string
	Kind                  metrics.ReplicaKind
	Legs                  Legs // W from the origin; R and S to and from a reader
	Apply                 Dist // received → applied
	Visible               Dist // applied → visible; nil = the replica reports no visibility
	Order                 Order
	CatchUp               float64 // writes a second after an outage; 0 = 200
	Unread                bool    // sessions do not read here
	NoReceived            bool    // the replica does not report "received"
	Clock                 Clock
}

// Order says in which order a replica takes writes.
type Order uint8

// The orders.
const (
	AnyOrder Order = iota // as they arrive
	KeyOrder              // those of one key as they were sent
)

// Clock is the clock that a place stamps its events with.
type Clock struct {
	Skew     time.Duration // the clock shows true time + Skew
	Drift    float64       // seconds a second
	Measured bool          // events carry the measured offset
	Error    time.Duration // of the measured offset
}

// Models of what a session is promised, carried out by the simulated readers.
const (
	Eventual      = "eventual"          // read anywhere
	MonotonicRead = "monotonic-reads"   // read where the session read before
	ReadYourWrite = "read-your-writes"  // ask the origin when a replica has not got the session's writes
	Causal        = "causal"            // as above, and replicas wait for what a write depends on
	Bounded       = "bounded-staleness" // ask the origin when a replica lags by more than Arm.Bound
	Strong        = "strong"            // read at the origin
)

// Arm is one variant of the feature's flag.
type Arm struct {
	Variant string
	Model   string
	Share   float64 // of the units; shares need not sum to 1
	// Slow multiplies each W leg and Lose is added to the feature's Drop: what the
	// arm costs. Slow 0 is 1.
	Slow, Lose float64
	Bound      time.Duration // for Bounded
}

// Sessions says how users behave.
type Sessions struct {
	PerSecond float64 // new sessions
	Quiet     Quiet
	Ops       int     // mean number of reads and writes a session, from 1
	Writes    float64 // share of them that are writes
	Think     Dist    // between two operations
	ReadBack  float64 // share of writes that the session reads back
	BackAfter Dist    // how long after the commit
	Users     int     // distinct users, from 1
	OwnKey    bool    // a user writes a key of their own, and reads it mostly
	Roam      bool    // each read goes through an origin picked anew
	// Unversioned is the share of reads that return no version.
	Unversioned float64
}

// Quiet is a time of little traffic before the usual: from the start Until then new
// sessions come at Share of their usual rate.
type Quiet struct {
	Until time.Duration // 0 = the usual traffic from the start
	Share float64       // more than 0, at most 1
}

// Rules by which a conflict is decided.
const (
	LastWriterWins = "last-writer-wins"
	OwnerWins      = "owner-wins"
	Merge          = "merge"
	Person         = "person"
)

// Rule decides conflicts.
type Rule struct {
	Kind    string // LastWriterWins …
	Name    string
	Version string
	Delay   Dist    // detected → resolved
	Manual  float64 // share of conflicts that a rule hands to a person
	Person  Dist    // detected → resolved by a person; nil = nobody ever does
	Astray  string  // an origin that merges by another rule than it says; "" = none
}

// Telemetry says how the places report.
type Telemetry struct {
	Delay     Dist // event → reported
	Duplicate float64
	Loss      float64
	Heartbeat time.Duration // 0 = none
}

// FaultKind is what goes wrong.
type FaultKind uint8

// The faults.
const (
	Down      FaultKind = iota + 1 // Place neither takes writes nor answers nor reports
	Silent                         // Place works, but its reports come only afterwards
	Stuck                          // Place is alive, but fails on one write and takes no other
	Slow                           // W legs to Place take Factor times as long
	Partition                      // messages between the region Place and others wait
)

// Fault is trouble that begins After the start, lasts For, and comes again Every.
type Fault struct {
	Kind   FaultKind
	Place  string // a replica; a region for Partition; "" = all places, for Silent
	After  time.Duration
	For    time.Duration // 0 = for ever
	Every  time.Duration // 0 = once
	Factor float64
}

// active says whether the fault rages at t ns after the start, and when that
// ends; never is a time beyond any simulation.
func (f *Fault) active(t int64) (until int64, ok bool) {
	t -= int64(f.After)
	if t < 0 {
		return 0, false
	}
	if f.For == 0 {
		return never, true
	}
	begin := int64(0)
	if f.Every > 0 {
		begin = t / int64(f.Every) * int64(f.Every)
	}
	if t-begin < int64(f.For) {
		return begin + int64(f.For) + int64(f.After), true
	}
	return 0, false
}

const never = int64(1) << 62

// Check says what is wrong with a scenario; it wraps ErrScenario.
func (s *Scenario) Check() error {
	if len(s.Features) == 0 || len(s.Features) > maxFeatures {
		return fmt.Errorf("%w %q: %d features; want 1 to %d", ErrScenario, s.Name, len(s.Features), maxFeatures)
	}
	for i := range s.Features {
		if err := s.Features[i].check(); err != nil {
			return fmt.Errorf("%w %q: feature %q: %w", ErrScenario, s.Name, s.Features[i].Name, err)
		}
	}
	return nil
}

func (f *Feature) check() error {
	switch n := len(f.Replicas); {
	case f.Name == "":
		return fmt.Errorf("name is empty")
	case len(f.Origins) == 0 || len(f.Origins) > maxOrigins:
		return fmt.Errorf("%d origins; want 1 to %d", len(f.Origins), maxOrigins)
	case n == 0 || n+len(f.Origins) > maxPlaces:
		return fmt.Errorf("%d replicas; want 1 to %d, origins included", n, maxPlaces)
	case f.WriteQuorum < 0 || f.WriteQuorum > n || f.ReadQuorum < 0 || f.ReadQuorum > n:
		return fmt.Errorf("quorum R=%d W=%d; want 0 to %d", f.ReadQuorum, f.WriteQuorum, n)
	case f.Keys < 1 || f.Keys > maxKeys:
		return fmt.Errorf("%d keys; want 1 to %d", f.Keys, maxKeys)
	case f.Skew != 0 && f.Skew <= 1:
		return fmt.Errorf("skew %g; want 0 or more than 1", f.Skew)
	case f.Sessions.PerSecond <= 0 || f.Sessions.Ops < 1 || f.Sessions.Users < 1:
		return fmt.Errorf("sessions: PerSecond, Ops and Users must be positive")
	case f.Sessions.Quiet.Until > 0 && (f.Sessions.Quiet.Share <= 0 || f.Sessions.Quiet.Share > 1):
		return fmt.Errorf("sessions: quiet share %g; want more than 0 and at most 1", f.Sessions.Quiet.Share)
	case f.Versions == metrics.VersionNone:
		return fmt.Errorf("versions must be seq, hlc or vv")
	}
	for _, r := range f.Replicas {
		if r.Name == "" || r.Legs.W == nil {
			return fmt.Errorf("replica %q needs a name and a W leg", r.Name)
		}
	}
	return f.checkFaults()
}

func (f *Feature) checkFaults() error {
	for _, x := range f.Faults {
		known := x.Place == "" && x.Kind == Silent
		for _, r := range f.Replicas {
			known = known || r.Name == x.Place && x.Kind != Partition || r.Region == x.Place && x.Kind == Partition
		}
		if !known {
			return fmt.Errorf("fault at %q: no such replica or region", x.Place)
		}
		if x.Every > 0 && x.For >= x.Every {
			return fmt.Errorf("fault at %q lasts %v every %v; it must end before it comes again", x.Place, x.For, x.Every)
		}
	}
	if f.Retry == nil && slices.ContainsFunc(f.Arms, func(a Arm) bool { return a.Model == Causal }) {
		return fmt.Errorf("a causal arm needs Retry: a lost write would block its successors for ever")
	}
	return nil
}
