package metrics

import "time"

// ReplicaKind says how a replica takes writes, which decides when one is satisfied.
type ReplicaKind uint8

// The kinds of replica.
const (
	// OperationBased replicas need each write itself.
	OperationBased ReplicaKind = iota
	// StateBased replicas with a total order per key are satisfied by a later
	// version of the same key.
	StateBased
)

// FeatureConfig is what the fold must know of a feature's promise. It applies to
// writes initiated at or after From, until the next config of the same feature.
type FeatureConfig struct {
	Feature    string
	From       int64 // Unix ns; 0 = since ever
	Replicas   []RouteReplica
	Thresholds []Threshold // counted exactly as writes become visible
}

// RouteReplica is one replica that writes are expected to reach.
type RouteReplica struct {
	Name string
	Kind ReplicaKind
	// ReportsVisible says that the replica reports visible, so that a write which is
	// only applied there is not satisfied yet. Otherwise applied stands for visible
	// until a visible event says better.
	ReportsVisible bool
	// Silence is how long the replica may send nothing before its backlog is
	// unknown; 0 means DefaultSilence.
	Silence time.Duration
}

// DefaultSilence is how long a replica may send no event and no heartbeat before
// what it holds is unknown.
const DefaultSilence = time.Minute

// Threshold is an objective of time to visibility.
type Threshold struct {
	Scope   string // all, first or replica
	Replica string // for ScopeReplica
	Value   int64  // ns
}
