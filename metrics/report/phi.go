package report

import (
	"context"
	"fmt"

	"tidemark/metrics"
)

// MaxPhiKeys is the most keys that Phi compares.
const MaxPhiKeys = 1000

// Phi is the share of sampled keys whose latest known version is the same at every
// replica. A key that an expected replica never reported is not the same.
type Phi struct {
	Feature  string   `json:"feature"`
	Replicas []string `json:"replicas"`
	Same     Ratio    `json:"same"`
	// Differ lists up to 20 keys that are not the same, in order of key.
	Differ []KeyDifference `json:"differ"`
}

// KeyDifference is one key with the version at each replica; nil = never reported.
type KeyDifference struct {
	Key      string             `json:"key"`
	Versions map[string]*string `json:"versions"`
}

const maxDifferences = 20

// Phi compares up to MaxPhiKeys recently active keys of a feature.
func (r *Reporter) Phi(ctx context.Context, feature string) (*Phi, error) {
	if err := needFeature(Query{Feature: feature}); err != nil {
		return nil, err
	}
	keys, err := r.r.KeyVersions(ctx, feature, MaxPhiKeys)
	if err != nil {
		return nil, fmt.Errorf("read key versions of %q: %w", feature, err)
	}
	out := &Phi{Feature: feature, Replicas: r.compared(feature, keys), Differ: []KeyDifference{}}
	var same int64
	for i := range keys {
		d, equal := difference(&keys[i], out.Replicas)
		if equal {
			same++
		} else if len(out.Differ) < maxDifferences {
			out.Differ = append(out.Differ, d)
		}
	}
	out.Same = NewRatio(same, int64(len(keys)))
	return out, nil
}

// compared is the feature's route, or without one every replica in the sample.
func (r *Reporter) compared(feature string, keys []metrics.KeyVersions) []string {
	set := map[string]bool{}
	if c, ok := r.r.Config(feature, r.now().UnixNano()); ok && len(c.Replicas) > 0 {
		for _, rr := range c.Replicas {
			set[rr.Name] = true
		}
		return sortedKeys(set)
	}
	for i := range keys {
		for name := range keys[i].Versions {
			set[name] = true
		}
	}
	return sortedKeys(set)
}

func difference(k *metrics.KeyVersions, replicas []string) (KeyDifference, bool) {
	d := KeyDifference{Key: k.Key, Versions: map[string]*string{}}
	equal := true
	for _, name := range replicas {
		v, ok := k.Versions[name]
		if !ok {
			d.Versions[name], equal = nil, false
			continue
		}
		d.Versions[name] = new(v.String())
		equal = equal && v == k.Versions[replicas[0]]
	}
	return d, equal
}
