package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/metrics/ingest/decode"
)

func TestATablesMapping(t *testing.T) {
	t.Parallel()
	o, err := decodeFlags{Table: map[string]string{"public.profiles": "profile-edit key:tenant+user write_id:wid labels:pii+tenant:acme", "public.*": "cart"}}.options()
	want := []decode.Table{
		{Pattern: "public.*", Feature: "cart"},
		{Pattern: "public.profiles", Feature: "profile-edit", Key: []string{"tenant", "user"}, WriteID: "wid", Labels: []string{"pii", "tenant:acme"}},
	}
	if diff := cmp.Diff(want, o.Tables); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
