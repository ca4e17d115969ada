package provenance_test

import (
	"fmt"
	"testing"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/provenance"
)

// TestWhatOthersSayIsNoPartOfAStory: another feature that uses the ids of a write, of its
// parent and of its session puts nothing of its own in the place of what is true; nor does
// a replica that says who wrote, when the origin says so.
func TestWhatOthersSayIsNoPartOfAStory(t *testing.T) {
	t.Parallel()
	r := store()
	for i := range 60 { // before the feature's own, and more than is read
		foreign := event(fmt.Sprintf("f%d", i), "w0", metrics.KindFailed, "eu", -time.Minute)
		foreign.Feature, foreign.Key = "shop", "chosen"
		sessions := event(fmt.Sprintf("s%d", i), fmt.Sprintf("x%d", i), metrics.KindFailed, "eu", -2*time.Second)
		sessions.Feature, sessions.SessionID, sessions.Parents = "shop", "s1", []string{"w1"}
		r.Events = append(r.Events, foreign, sessions)
	}
	early := event("early", "w1", metrics.KindApplied, "eu", -time.Hour)
	early.Actor, early.Delta, early.Owner, early.Version = "mallory", `{"a":9}`, "mallory", metrics.SeqVersion(1)
	own := event("own", "w1", metrics.KindInitiated, "", -2*time.Second)
	own.Actor, own.Delta, own.Owner, own.Version = "alice", `{"a":1}`, "eu", metrics.SeqVersion(7)
	own.SessionID, own.Parents = "s1", []string{"w0"}
	parent := event("parent", "w0", metrics.KindInitiated, "", -3*time.Second)
	parent.Key = "k0"
	child := event("child", "w9", metrics.KindInitiated, "", -time.Second)
	child.Key, child.SessionID, child.Parents = "k9", "s1", []string{"w1"}
	forged := event("forged", "w9", metrics.KindFailed, "eu", -time.Minute)
	forged.Feature, forged.Key, forged.SessionID, forged.Parents = "shop", "chosen", "s1", []string{"w1"}
	r.Events = append(r.Events, early, own, parent, forged, child)

	s, err := teller(r).Story(t.Context(), "cart", "w1")
	if err != nil {
		t.Fatal(err)
	}
	if s.Actor != "alice" || s.Delta != `{"a":1}` || s.Owner != "eu" || s.Version != metrics.SeqVersion(7).String() {
		t.Errorf("who wrote what: %s %s %s %s", s.Actor, s.Delta, s.Owner, s.Version)
	}
	if len(s.Parents) != 1 || s.Parents[0].Feature != "cart" || s.Parents[0].Key != "k0" {
		t.Errorf("parents %+v", s.Parents)
	}
	found := false
	for _, c := range s.Children {
		found = found || c == provenance.Relative{WriteID: "w9", Known: true, Feature: "cart", Key: "k9", Initiated: c.Initiated}
		if c.Feature == "cart" && c.WriteID != "w9" {
			t.Errorf("a child that is none: %+v", c)
		}
	}
	if !found {
		t.Errorf("its own child is not among %+v", s.Children)
	}
}
