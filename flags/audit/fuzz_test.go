package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"tidemark/flags/audit"
)

// sampleKey is the same in each process of a fuzzer.
func sampleKey(tb testing.TB) audit.Key {
	tb.Helper()
	const name = "tidemark-audit-00000000"
	seed := make([]byte, ed25519.SeedSize)
	public, err := note.NewEd25519VerifierKey(name, ed25519.PublicKey(ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:]))
	if err != nil {
		tb.Fatal(err)
	}
	hash := strings.Split(public, "+")[1]
	return audit.Key{
		Name: name, Public: public,
		Private: "PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)),
	}
}

// sample is an export of two entries, and the line of its checkpoint.
func sample(tb testing.TB) (export, line []byte, public string) {
	tb.Helper()
	signer, err := sampleKey(tb).Signer()
	if err != nil {
		tb.Fatal(err)
	}
	var tree audit.Tree
	var out bytes.Buffer
	w := audit.NewWriter(&out)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n, r := range []audit.Record{
		{At: at, Actor: "user:ana", Action: "key.create", Subject: "key/a", After: []byte(`{"b":1,"a":[true,"x"]}`)},
		{At: at, Actor: "cli:root", Action: "key.revoke", Subject: "key/a", Reason: "leaked", Before: []byte(`{}`)},
	} {
		e, err := audit.NewEntry(int64(n), r)
		if err != nil {
			tb.Fatal(err)
		}
		leaf, err := e.Leaf()
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := tree.Add(leaf); err != nil {
			tb.Fatal(err)
		}
		if err := w.Entry(leaf); err != nil {
			tb.Fatal(err)
		}
	}
	head, err := tree.Head(2)
	if err != nil {
		tb.Fatal(err)
	}
	point, err := signer.Sign(head, at)
	if err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(&point, signer.Public); err != nil {
		tb.Fatal(err)
	}
	if line, err = point.Line(signer.Public); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes(), line, signer.Public
}

// FuzzVerifyExport: an export that is not, byte for byte, what was signed does not
// verify, but for what a reader skips at the ends of lines.
func FuzzVerifyExport(f *testing.F) {
	export, line, public := sample(f)
	f.Add(export)
	f.Add(line)
	f.Add(bytes.Replace(export, []byte("leaked"), []byte("linked"), 1))
	f.Add(export[:len(export)-10])
	f.Add([]byte("{}\n{\"checkpoint\":\"\"}"))
	leaves := func(data []byte) (all []byte) {
		for l := range bytes.Lines(data) {
			if _, leaf, ok := bytes.Cut(l, []byte(`"entry":`)); ok {
				all = append(all, bytes.TrimSpace(leaf)...)
			}
		}
		return all
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := audit.VerifyExport(bytes.NewReader(data), audit.Trust{Public: public})
		if err != nil {
			return
		}
		if v.Head.Size != 2 || !bytes.Contains(leaves(data), []byte("leaked")) {
			t.Errorf("%q verifies as a log of %d entries", data, v.Head.Size)
		}
	})
}

// FuzzReadKept: whatever stands in a file of checkpoints, each that is taken from it is
// signed by its key, or is refused.
func FuzzReadKept(f *testing.F) {
	_, line, public := sample(f)
	f.Add(line)
	f.Add(append(bytes.Clone(line), line...))
	f.Add([]byte("tidemark-audit-0\n1\n"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		notes, _, err := audit.ReadKept(data)
		if err != nil {
			if !errors.Is(err, audit.ErrCheckpoint) {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		points, err := audit.OpenAll(notes, public)
		for i := range points {
			if err == nil && points[i].Size != 2 {
				t.Errorf("%q holds a checkpoint of %d entries", data, points[i].Size)
			}
		}
	})
}
