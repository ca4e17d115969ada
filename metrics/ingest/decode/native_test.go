package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/metrics"
)

const whole = `{"event_id":"e1","kind":"applied","write_id":"w1","feature":"cart","key":"k","entity":"en",
"service":"svc","replica":"eu","region":"r","occurred_at":"2026-01-02T03:04:05.123456789Z","clock_id":"h",
"clock_offset_ns":-5,"clock_error_ns":7,"version":{"vv":{"us":2,"eu":4,"no":0}},"parents":["w0"],
"session_id":"s","session_seq":3,"attempt":2,"trace_id":"t","span_id":"sp","actor":"a",
"delta":[{"op":"replace"}],"before_hash":"b","after_hash":"c","owner":"o","labels":["pii","tenant:acme"],
"flag":"f","variant":"v","model":"causal","unit":"u","expect":["eu","us"],"mechanism":"cdc",
"conflict_id":"c1","with":["w2","w3"],"rule":"lww","rule_version":"3","winner":"w2","outcome":"kept",
"auto":true,"reason":"newer","observed_at":5,"mine":{"x":[1, 2]}}`

func wholeEvent() metrics.Event {
	v, _ := metrics.VVVersion(map[string]uint64{"us": 2, "eu": 4})
	return metrics.Event{
		EventID: "e1", Kind: metrics.KindApplied, WriteID: "w1", Feature: "cart", Key: "k", Entity: "en",
		Service: "svc", Replica: "eu", Region: "r", OccurredAt: 1767323045123456789, ClockID: "h",
		ClockOffset: -5, ClockError: 7, HasOffset: true, Version: v, Parents: []string{"w0"},
		SessionID: "s", SessionSeq: 3, Attempt: 2, TraceID: "t", SpanID: "sp", Actor: "a",
		Delta: `[{"op":"replace"}]`, BeforeHash: "b", AfterHash: "c", Owner: "o", Labels: []string{"pii", "tenant:acme"},
		Flag: "f", Variant: "v", Model: "causal", Unit: "u", Expect: []string{"eu", "us"}, Mechanism: "cdc",
		ConflictID: "c1", With: []string{"w2", "w3"}, Rule: "lww", RuleVersion: "3", Winner: "w2", Outcome: "kept",
		Auto: metrics.Yes, Reason: "newer", Attributes: `{"observed_at":5,"mine":{"x":[1, 2]}}`,
	}
}

func TestNativeReadsEveryField(t *testing.T) {
	t.Parallel()
	var b Batch
	if err := Native([]byte(whole), "application/json", &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]metrics.Event{wholeEvent()}, b.Events); diff != "" || len(b.Rejected) > 0 {
		t.Fatalf("events (-want +got):\n%s\nrejected %+v", diff, b.Rejected)
	}
}

// minimal returns an event with the given id that passes validation at now.
func minimal(id string) string {
	return fmt.Sprintf(`{"event_id":%q,"kind":"initiated","write_id":"w","feature":"f","occurred_at":%d}`, id, now)
}

const now = int64(1767323045000000000)

func ids(events []metrics.Event) string {
	var s []string
	for i := range events {
		s = append(s, events[i].EventID)
	}
	return strings.Join(s, " ")
}

// refused lists "index:code:field" of every rejection.
func refused(b *Batch) string {
	var s []string
	for _, r := range b.Rejected {
		s = append(s, strings.TrimSuffix(fmt.Sprintf("%d:%s:%s", r.Index, r.Code, r.Field), ":"))
	}
	return strings.Join(s, " ")
}

func TestNativeShapes(t *testing.T) {
	t.Parallel()
	a, b, c := minimal("a"), minimal("b"), minimal("c")
	pretty := strings.ReplaceAll(a, ",", ",\n  ")
	for _, x := range []struct {
		name, contentType, body string
		events, indexes         string
		rejected                string
	}{
		{name: "object", body: a, events: "a", indexes: "[0]"},
		{name: "pretty object", body: pretty, events: "a", indexes: "[0]"},
		{name: "pretty objects", body: pretty + "\n" + pretty, events: "a a", indexes: "[0 1]"},
		{name: "array", body: " [" + a + ", " + b + "]\n", events: "a b", indexes: "[0 1]"},
		{name: "empty array", body: "[]", indexes: "[]"},
		{name: "lines, detected", body: a + "\n" + b + "\r\n\n" + c + "\n", events: "a b c", indexes: "[0 1 2]"},
		{name: "lines, declared", contentType: "application/x-ndjson; charset=utf-8", body: "\n" + a + "\n" + b, events: "a b", indexes: "[0 1]"},
		{name: "jsonl", contentType: "application/jsonl", body: a, events: "a", indexes: "[0]"},
		{name: "broken line, declared", contentType: "application/x-ndjson", body: a + "\n{\"kind\":\n" + b, events: "a b", indexes: "[0 2]", rejected: "1:json_invalid"},
		{name: "broken line, detected", body: a + "\n{\"kind\":\"x\n" + b + "\n" + c, events: "a b c", indexes: "[0 2 3]", rejected: "1:json_invalid"},
		{name: "broken first line, detected", body: "{\"kind\":\n" + b, events: "b", indexes: "[1]", rejected: "0:json_invalid"},
		{name: "unclosed first line, detected", body: strings.TrimSuffix(a, "}") + "\n" + b, events: "b", indexes: "[1]", rejected: "0:json_invalid"},
		{name: "trailing words on a line", contentType: "application/x-ndjson", body: a + " x\n" + b, events: "b", indexes: "[1]", rejected: "0:json_invalid"},
		{name: "trailing words after an object", body: a + " x\n" + b, events: "a b", indexes: "[0 2]", rejected: "1:json_invalid"},
		{name: "not an object in a line", contentType: "application/x-ndjson", body: "5\n" + b, events: "b", indexes: "[1]", rejected: "0:json_invalid"},
		{name: "not an object in an array", body: "[" + a + ",[1],\"x\",null," + b + "]", events: "a b", indexes: "[0 4]", rejected: "1:json_invalid 2:json_invalid 3:json_invalid"},
		{name: "broken element", body: "[" + a + ",{\"kind\" 1}," + b + "]", events: "a", indexes: "[0]", rejected: "1:array_broken"},
		{name: "cut array", body: "[" + a + "," + b, events: "a b", indexes: "[0 1]", rejected: "2:array_broken"},
		{name: "array then more", body: "[" + a + "] x", events: "a", indexes: "[0]", rejected: "1:array_broken"},
		{name: "bad field keeps neighbours", body: "[" + a + `,{"event_id":"x","kind":"nope"},` + b + "]", events: "a b", indexes: "[0 2]", rejected: "1:kind_unknown:kind"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			var got Batch
			if err := Native([]byte(x.body), x.contentType, &got); err != nil {
				t.Fatal(err)
			}
			if ids(got.Events) != x.events || fmt.Sprint(got.Indexes) != orNone(x.indexes) || refused(&got) != x.rejected {
				t.Errorf("got %q at %v, rejected %q %+v; want %q at %s, rejected %q",
					ids(got.Events), got.Indexes, refused(&got), got.Rejected, x.events, x.indexes, x.rejected)
			}
		})
	}
}

func orNone(s string) string {
	if s == "" {
		return "[]"
	}
	return s
}

func TestNativeRefusesBodies(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		"":              ErrBody,
		" \n":           ErrBody,
		"hello":         ErrBody,
		"5":             ErrBody,
		"{":             ErrBody,
		"[{":            ErrBody,
		`{"kind":"x" y`: ErrBody,
		"\x00":          ErrBody,
		"[" + strings.Repeat("{},", MaxEvents) + "{}]": ErrTooMany,
		strings.Repeat("{}\n", MaxEvents+1):            ErrTooMany,
	} {
		var b Batch
		if err := Native([]byte(body), "", &b); !errors.Is(err, want) {
			t.Errorf("Native(%.20q) = %v, want %v", body, err, want)
		}
	}
}

func TestNativeRejectsFields(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for member, want := range map[string]string{
		`"key":5`:                            "field_invalid:key",
		`"key":{}`:                           "field_invalid:key",
		`"kind":"sent"`:                      "kind_unknown:kind",
		`"kind":7`:                           "field_invalid:kind",
		`"occurred_at":"yesterday"`:          "time_invalid:occurred_at",
		`"occurred_at":1.5`:                  "time_invalid:occurred_at",
		`"occurred_at":"1767323045"`:         "time_invalid:occurred_at",
		`"occurred_at":true`:                 "time_invalid:occurred_at",
		`"occurred_at":99999999999999999999`: "time_invalid:occurred_at",
		`"version":3`:                        "version_invalid:version",
		`"version":{}`:                       "version_invalid:version",
		`"version":{"seq":-1}`:               "version_invalid:version",
		`"version":{"seq":1.5}`:              "version_invalid:version",
		`"version":{"seq":"1"}`:              "version_invalid:version",
		`"version":{"seq":1,"hlc":"1.2"}`:    "version_invalid:version",
		`"version":{"lamport":1}`:            "version_invalid:version",
		`"version":{"hlc":"x"}`:              "version_invalid:version",
		`"version":{"vv":{"a=b":1}}`:         "version_invalid:version",
		`"version":{"vv":{"a":-1}}`:          "version_invalid:version",
		`"version":{"vv":{"a":"1"}}`:         "version_invalid:version",
		`"attempt":-1`:                       "value_out_of_range:attempt",
		`"attempt":1e9`:                      "field_invalid:attempt",
		`"attempt":4294967297`:               "value_out_of_range:attempt",
		`"session_seq":"1"`:                  "field_invalid:session_seq",
		`"clock_offset_ns":1.5`:              "field_invalid:clock_offset_ns",
		`"labels":"pii"`:                     "field_invalid:labels",
		`"labels":["a",1]`:                   "field_invalid:labels",
		`"labels":[null]`:                    "field_invalid:labels",
		`"labels":["a"` + strings.Repeat(`,"a"`, 100) + `]`: "field_too_long:labels",
		`"auto":"yes"`:                         "field_invalid:auto",
		`"attributes":[1]`:                     "field_invalid:attributes",
		`"delta":` + deep:                      "field_invalid:delta",
		`"other":` + deep:                      "field_invalid:attributes",
		`"other":` + deep + `,"attributes":{}`: "field_invalid:attributes",
	} {
		var b Batch
		body := `[{"event_id":"x",` + member + "}," + minimal("ok") + "]"
		if err := Native([]byte(body), "", &b); err != nil {
			t.Errorf("%s: %v", member, err)
		}
		if refused(&b) != "0:"+want || ids(b.Events) != "ok" || b.Rejected[0].EventID != "x" {
			t.Errorf("%.60s: got %+v, want %s", member, b.Rejected, want)
		}
	}
}

// TestMistakesAreNotedOnce: each further one of an event would be looked through at each
// further member.
func TestMistakesAreNotedOnce(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	body := `{"event_id":"x"`
	for i := range 100 {
		body += fmt.Sprintf(`,"m%d":%s`, i, deep)
	}
	var b Batch
	if err := Native([]byte("["+body+`,"key":1,"labels":1},`+minimal("ok")+"]"), "", &b); err != nil || refused(&b) != "0:field_invalid:attributes" {
		t.Errorf("%v, rejected %+v", err, b.Rejected)
	}
	if cap(b.errs) > 8 {
		t.Errorf("room for %d mistakes of one event", cap(b.errs))
	}
}

func TestNativeLastMemberWins(t *testing.T) {
	t.Parallel()
	var b Batch
	body := `{"key":5,"key":"a","key":"b","kind":"nope","kind":"read","version":{"seq":1,"seq":2,"vv":null},` +
		`"auto":true,"auto":null,"attempt":9,"attempt":null,"labels":["a"],"labels":null,"clock_offset_ns":4,"clock_offset_ns":null,` +
		`"attributes":{"a":1},"x":2,"attributes":{"b" : 3 }}`
	if err := Native([]byte(body), "", &b); err != nil || len(b.Events) != 1 {
		t.Fatalf("%v, rejected %+v", err, b.Rejected)
	}
	e := b.Events[0]
	e.EventID = ""
	want := metrics.Event{Key: "b", Kind: metrics.KindRead, Version: metrics.SeqVersion(2), Attributes: `{"b" : 3 ,"x":2}`}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Fatal(diff)
	}
}

func TestBatchIsReusable(t *testing.T) {
	t.Parallel()
	var b Batch
	for range 3 {
		b.Reset()
		if err := Native([]byte("["+whole+","+whole+"]"), "", &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]metrics.Event{wholeEvent(), wholeEvent()}, b.Events); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestValidateMovesRejects(t *testing.T) {
	t.Parallel()
	var b Batch
	body := "[" + minimal("a") + `,{"event_id":"x","kind":"read","feature":"f","occurred_at":5,"key":"k"},5,` + minimal("b") + "]"
	if err := Native([]byte(body), "", &b); err != nil {
		t.Fatal(err)
	}
	b.Validate(now)
	if ids(b.Events) != "a b" || fmt.Sprint(b.Indexes) != "[0 3]" || refused(&b) != "2:json_invalid 1:time_out_of_range:occurred_at" {
		t.Errorf("got %q at %v, rejected %+v", ids(b.Events), b.Indexes, b.Rejected)
	}
	if b.Items() != 4 || b.RejectedItems() != 2 {
		t.Errorf("items %d, rejected %d", b.Items(), b.RejectedItems())
	}
}

func TestMissingEventIDIsContent(t *testing.T) {
	t.Parallel()
	read := func(body string) metrics.Event {
		var b Batch
		if err := Native([]byte(body), "", &b); err != nil || len(b.Events) != 1 {
			t.Fatalf("%s: %v, %+v", body, err, b.Rejected)
		}
		return b.Events[0]
	}
	one := read(`{"kind":"applied","write_id":"w","service":"s","feature":"f","occurred_at":1,"delta":{"a": 1}}`)
	same := read(`{"occurred_at":1,"feature":"f","replica":"s","service":"s","kind":"applied","write_id":"w","delta": {"a":1} }`)
	other := read(`{"kind":"applied","write_id":"w","service":"s","feature":"f","occurred_at":2,"delta":{"a": 1}}`)
	if one.EventID != same.EventID || one.EventID == other.EventID || one.EventID != metrics.ContentID(&one) || one.Replica != "s" {
		t.Errorf("ids %q, %q, %q; replica %q", one.EventID, same.EventID, other.EventID, one.Replica)
	}
}

// TestNativeAgreesWithEncodingJSON checks the reader against the standard
// library on whatever the fuzzer's seeds hold; the fuzz target goes on from there.
func FuzzNative(f *testing.F) {
	for _, seed := range []string{
		whole, "[" + minimal("a") + "]", minimal("a") + "\n" + minimal("b"), `{"key":"\ud83d\ude00\ud800x\u0000"}`,
		"{\"key\":\"\xff\xfe\"}", `{"a":1,"a":[2,{"b":null}],"kind":"read"}`, `[1,2,{"x":-0.5e+10}]`,
		`{"version":{"hlc":"1.2.n"}}`, `{"version":{"vv":{"b":1,"a":2}}}`, `{"labels":["a","b"]}`, `{"x":"\q"}`,
	} {
		f.Add([]byte(seed), "application/json")
		f.Add([]byte(seed), "application/x-ndjson")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		var b Batch
		if err := Native(body, contentType, &b); err != nil {
			return
		}
		b.Validate(now)
		if len(b.Events) != len(b.Indexes) {
			t.Fatalf("%d events, %d indexes", len(b.Events), len(b.Indexes))
		}
		if json.Valid(body) && !isLines(contentType) && bytes.TrimSpace(body)[0] == '{' {
			agree(t, body)
		}
	})
}

// agree checks one object against encoding/json.
func agree(t *testing.T, body []byte) {
	t.Helper()
	var b Batch
	if err := Native(body, "", &b); err != nil {
		t.Fatalf("valid JSON refused: %v\n%s", err, body)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	if len(b.Events) == 0 {
		if len(b.Rejected) != 1 || b.Rejected[0].Code == metrics.CodeJSONInvalid {
			t.Fatalf("valid JSON rejected as %+v\n%s", b.Rejected, body)
		}
		return
	}
	e := &b.Events[0]
	attributes := map[string]any{}
	for name, raw := range members {
		switch {
		case name == "event_id":
		case e.Text(name) != nil:
			var want *string
			if json.Unmarshal(raw, &want) != nil || deref(want) != *e.Text(name) {
				if name != "replica" || deref(want) != "" {
					t.Fatalf("%s is %q, want %s", name, *e.Text(name), raw)
				}
			}
		case e.List(name) != nil:
			var want []string
			if json.Unmarshal(raw, &want) != nil || strings.Join(want, "\x00") != strings.Join(*e.List(name), "\x00") {
				t.Fatalf("%s is %q, want %s", name, *e.List(name), raw)
			}
		case e.Integer(name) != nil:
			var want int64
			if json.Unmarshal(raw, &want) != nil || want != *e.Integer(name) {
				t.Fatalf("%s is %d, want %s", name, *e.Integer(name), raw)
			}
		case name == "version":
			agreeVersion(t, e.Version, raw)
		case name == "attributes":
			_ = json.Unmarshal(raw, &attributes)
		}
	}
	agreeAttributes(t, e, members, attributes)
}

func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func agreeVersion(t *testing.T, got metrics.Version, raw []byte) {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("version %v from %s", got, raw)
	}
	var want metrics.Version
	var err error
	for kind, x := range m {
		if string(x) == "null" {
			continue
		}
		switch kind {
		case "seq":
			var n uint64
			err = json.Unmarshal(x, &n)
			want = metrics.SeqVersion(n)
		case "hlc":
			var s string
			_ = json.Unmarshal(x, &s)
			want, err = metrics.HLCVersion(s)
		case "vv":
			var vv map[string]uint64
			_ = json.Unmarshal(x, &vv)
			want, err = metrics.VVVersion(vv)
		}
	}
	if err != nil || got != want {
		t.Fatalf("version is %v, want %v (%v) from %s", got, want, err, raw)
	}
}

func agreeAttributes(t *testing.T, e *metrics.Event, members map[string]json.RawMessage, want map[string]any) {
	t.Helper()
	for name, raw := range members {
		switch name {
		case "kind", "occurred_at", "version", "delta", "attributes", "attempt", "auto":
			continue
		}
		if e.Text(name) == nil && e.List(name) == nil && e.Integer(name) == nil {
			var x any
			if json.Unmarshal(raw, &x) != nil {
				return // a number beyond float64
			}
			if want == nil {
				want = map[string]any{}
			}
			want[name] = x
		}
	}
	got := map[string]any{}
	if e.Attributes != "" {
		if err := json.Unmarshal([]byte(e.Attributes), &got); err != nil {
			t.Fatalf("attributes %s: %v", e.Attributes, err)
		}
	}
	if len(want)+len(got) > 0 && !cmp.Equal(want, got) {
		t.Fatalf("attributes %s: %s", e.Attributes, cmp.Diff(want, got))
	}
}

// typical is an event of about 312 bytes, as a service would send it.
func typical(i int) string {
	kinds := []string{"initiated", "committed", "published", "received", "applied", "visible"}
	return fmt.Sprintf(`{"event_id":"0190a1b2-c3d4-7e5f-8a9b-%012d","kind":%q,"write_id":"0190a1b2-0000-7000-8000-%012d","feature":"profile-edit","key":"user:%06d","service":"profile-api","replica":"search-eu","region":"eu-west-1","occurred_at":%d,"version":{"seq":%d},"session_id":"s-%08d","session_seq":%d}`,
		i, kinds[i%6], i/6, i%1000, now+int64(i)*1000, i, i/4, i%4+1)
}

func benchmarkNative(b *testing.B, body []byte, events int, contentType string) {
	b.Helper()
	var batch Batch
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		if err := Native(body, contentType, &batch); err != nil || len(batch.Events) != events {
			b.Fatal(err, len(batch.Events), batch.Rejected)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkNative(b *testing.B) {
	var lines []string
	for i := range 500 {
		lines = append(lines, typical(i))
	}
	ndjson := []byte(strings.Join(lines, "\n"))
	b.Run("ndjson", func(b *testing.B) { benchmarkNative(b, ndjson, 500, "application/x-ndjson") })
	array := []byte("[" + strings.Join(lines, ",") + "]")
	b.Run("array", func(b *testing.B) { benchmarkNative(b, array, 500, "application/json") })
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var events []struct {
				EventID    string `json:"event_id"`
				Kind       string `json:"kind"`
				WriteID    string `json:"write_id"`
				Feature    string `json:"feature"`
				Key        string `json:"key"`
				Service    string `json:"service"`
				Replica    string `json:"replica"`
				Region     string `json:"region"`
				OccurredAt int64  `json:"occurred_at"`
				Version    struct {
					Seq uint64 `json:"seq"`
				} `json:"version"`
				SessionID  string `json:"session_id"`
				SessionSeq int64  `json:"session_seq"`
			}
			if err := json.Unmarshal(array, &events); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}
