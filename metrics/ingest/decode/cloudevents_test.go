package decode

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tidemark/metrics"
)

const (
	ceHead = `"specversion":"1.0","id":"i1","source":"/orders","time":"2026-01-02T03:04:05Z","traceparent":"00-00000000000000000000000000000001-0000000000000001-01"`
	ceData = `{"write_id":"w","feature":"f","service":"s"}`
	ceFull = `{` + ceHead + `,"type":"tidemark.write.applied","subject":"k","partitionkey":"p","data":` + ceData + `}`
)

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestCloudEventFormats(t *testing.T) {
	t.Parallel()
	binary := headers("Content-Type", "application/json", "Ce-Specversion", "1.0", "Ce-Id", "i1", "Ce-Source", "%2Forders", "Ce-Type", "com.example/applied",
		"Ce-Time", "2026-01-02T03:04:05Z", "Ce-Subject", "k", "Ce-Partitionkey", "p", "Traceparent", "00-00000000000000000000000000000001-0000000000000001-01")
	for _, x := range []struct {
		name string
		h    http.Header
		body string
		n    int
	}{
		{"structured", headers("Content-Type", "application/cloudevents+json; charset=utf-8"), ceFull, 1},
		{"batch", headers("Content-Type", "application/cloudevents-batch+json"), "[" + ceFull + "," + ceFull + "]", 2},
		{"binary", binary, ceData, 1},
		{"base64", headers("Content-Type", "application/cloudevents+json"), strings.Replace(ceFull, `"data":`+ceData, `"data_base64":"eyJ3cml0ZV9pZCI6InciLCJmZWF0dXJlIjoiZiIsInNlcnZpY2UiOiJzIn0="`, 1), 1},
	} {
		var b Batch
		if err := Events(x.h, []byte(x.body), options(), &b); err != nil || len(b.Events) != x.n {
			t.Errorf("%s: %v, %d events, rejected %+v", x.name, err, len(b.Events), b.Rejected)
			continue
		}
		e := &b.Events[0]
		if e.EventID != "ce:/orders i1" || e.Kind != metrics.KindApplied || e.OccurredAt != now || e.TraceID != t1 || e.SpanID != s1 ||
			e.Key != "k" || e.Replica != "s" || e.Attributes != `{"partitionkey":"p"}` {
			t.Errorf("%s: %+v", x.name, e)
		}
	}
}

func TestCloudEventDataGoesFirst(t *testing.T) {
	t.Parallel()
	var b Batch
	body := `{` + ceHead + `,"type":"conflict.detected","data":{"event_id":"mine","occurred_at":7,"key":"own","trace_id":"t"}}`
	if err := CloudEvents(nil, FormatCloudEvent, []byte(body), options(), &b); err != nil || len(b.Events) != 1 {
		t.Fatal(err, b.Rejected)
	}
	if e := b.Events[0]; e.EventID != "mine" || e.OccurredAt != 7 || e.Key != "own" || e.TraceID != "t" || e.SpanID != "" || e.Kind != metrics.KindConflictDetected {
		t.Errorf("%+v", e)
	}
}

func TestCloudEventRejects(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		strings.Replace(ceFull, `"1.0"`, `"0.3"`, 1):              "0:format_invalid",
		strings.Replace(ceFull, `"id":"i1",`, ``, 1):              "0:format_invalid",
		strings.Replace(ceFull, ceData, `null`, 1):                "0:format_invalid:data",
		strings.Replace(ceFull, ceData, `"text"`, 1):              "0:format_invalid:data",
		strings.Replace(ceFull, `,"data":`+ceData, ``, 1):         "0:format_invalid",
		strings.Replace(ceFull, `2026-01-02T03:04:05Z`, `now`, 1): "0:time_invalid:time",
		strings.Replace(ceFull, `"w"`, `5`, 1):                    "0:field_invalid:write_id",
	} {
		var b Batch
		if err := CloudEvents(nil, FormatCloudEventBatch, []byte("["+body+","+ceFull+"]"), options(), &b); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if refused(&b) != want || len(b.Events) != 1 || b.Indexes[0] != 1 {
			t.Errorf("%s: got %+v, want %s", body, b.Rejected, want)
		}
	}
	for _, x := range []struct {
		format Format
		body   string
	}{{FormatCloudEvent, "[]"}, {FormatCloudEventBatch, "{}"}, {FormatCloudEvent, "{"}, {FormatCloudEvent, ""}, {FormatCloudEventBinary, "{"}, {FormatCloudEventBinary, ""}} {
		var b Batch
		if err := CloudEvents(http.Header{}, x.format, []byte(x.body), options(), &b); !errors.Is(err, ErrBody) {
			t.Errorf("%d %q: %v", x.format, x.body, err)
		}
	}
}

const (
	dbzSource = `{"version":"3.0","connector":"postgresql","name":"pg","ts_ms":1767323045123,"ts_us":1767323045123456,"snapshot":"false","db":"app","schema":"public","table":"carts","txId":55,"lsn":987,"xmin":null}`
	dbzPlain  = `{"before":null,"after":{"id":12,"sku":"x"},"source":` + dbzSource + `,"op":"c","ts_ms":1767323045200,"ts_ns":1767323045200000009}`
	dbzWrite  = "dbz:postgresql:pg:public.carts:987:55:12"
)

func TestDebezium(t *testing.T) {
	t.Parallel()
	ce := `{` + ceHead + `,"type":"io.debezium.postgresql.datachangeevent","data":%s}`
	ext := `{` + ceHead + `,"type":"io.debezium.connector.postgresql.DataChangeEvent","iodebeziumop":"c","iodebeziumconnector":"postgresql","iodebeziumname":"pg",` +
		`"iodebeziumtsms":"1767323045123","iodebeziumtsus":"1767323045123456","iodebeziumschema":"public","iodebeziumtable":"carts","iodebeziumtxid":"55","iodebeziumlsn":"987","data":{"before":null,"after":{"id":12,"sku":"x"}}}`
	for name, x := range map[string]struct{ contentType, body string }{
		"plain":              {"application/json", dbzPlain},
		"wrapped":            {"application/json", `{"schema":{"type":"struct"},"payload":` + dbzPlain + `}`},
		"lines":              {"application/x-ndjson", dbzPlain + "\n"},
		"array":              {"", "[" + dbzPlain + "]"},
		"cloudevent":         {"application/cloudevents+json", fmt.Sprintf(ce, dbzPlain)},
		"cloudevent wrapped": {"application/cloudevents+json", fmt.Sprintf(ce, `{"payload":`+dbzPlain+`}`)},
		"extensions":         {"application/cloudevents+json", ext},
	} {
		var b Batch
		if err := Events(headers("Content-Type", x.contentType), []byte(x.body), options(), &b); err != nil || len(b.Events) != 2 {
			t.Errorf("%s: %v, rejected %+v", name, err, b.Rejected)
			continue
		}
		c, p := b.Events[0], b.Events[1]
		if c.Kind != metrics.KindCommitted || c.OccurredAt != 1767323045123456000 || c.WriteID != dbzWrite || c.Key != "12" || c.Feature != "cart" ||
			c.Version != metrics.SeqVersion(987) || c.Mechanism != "cdc" || c.Delta != `{"op":"c","before":null,"after":{"id":12,"sku":"x"}}` || c.ClockID != "pg:source" || c.EventID != dbzWrite+":committed" {
			t.Errorf("%s: committed %+v", name, c)
		}
		if p.Kind != metrics.KindPublished || p.WriteID != dbzWrite || (p.OccurredAt != 1767323045200000009 && name != "extensions") || p.EventID == c.EventID {
			t.Errorf("%s: published %+v", name, p)
		}
	}
}

func TestDebeziumKeysAndWrites(t *testing.T) {
	t.Parallel()
	var b Batch
	row := strings.NewReplacer(`"carts"`, `"profiles"`, `{"id":12,"sku":"x"}`, `{"tenant":"acme","user":7,"wid":"w-1"}`).Replace(dbzPlain)
	mysql := strings.NewReplacer(`"schema":"public",`, "", `"db":"app"`, `"db":"public"`, `"lsn":987`, `"file":"bin.3","pos":154,"row":0`).Replace(dbzPlain)
	bare := strings.NewReplacer(`"lsn":987`, `"lsn":null`, `"txId":55`, `"txId":null`).Replace(dbzPlain)
	big := strings.Replace(dbzPlain, `"x"}`, `"`+strings.Repeat("x", metrics.MaxDelta)+`"}`, 1)
	gone := strings.Replace(strings.Replace(dbzPlain, `"before":null,"after":`, `"after":null,"before":`, 1), `"op":"c"`, `"op":"d"`, 1)
	if err := Debezium([]byte(row+"\n"+mysql+"\n"+bare+"\n"+big+"\n"+gone), "application/x-ndjson", options(), &b); err != nil || len(b.Events) != 10 {
		t.Fatal(err, len(b.Events), b.Rejected)
	}
	e := b.Events
	if e[0].WriteID != "w-1" || e[0].Key != "acme,7" || e[0].Feature != "profile-edit" {
		t.Errorf("named columns: %+v", e[0])
	}
	if e[2].WriteID != "dbz:postgresql:pg:public.carts:bin.3:154:0:55:12" || !e[2].Version.IsZero() {
		t.Errorf("binlog position: %+v", e[2])
	}
	if len(e[4].WriteID) < 64 || e[4].WriteID != e[5].WriteID {
		t.Errorf("no position: %+v", e[4])
	}
	if e[6].Delta != "" || len(e[6].AfterHash) != 64 || !strings.Contains(e[6].Attributes, "delta_bytes") {
		t.Errorf("large row: %d bytes, %s", len(e[6].Delta), e[6].Attributes)
	}
	if e[8].Key != "12" || !strings.Contains(e[8].Delta, `"after":null`) {
		t.Errorf("deleted row: %+v", e[8])
	}
}

// TestTablesGiveLabels to each event of their rows, so that nothing is shown before another
// event of the write says what it is about.
func TestTablesGiveLabels(t *testing.T) {
	t.Parallel()
	o := &Options{Tables: []Table{{Pattern: "public.carts", Feature: "cart", Labels: []string{"pii", "tenant:a"}}}}
	var b Batch
	if err := Debezium([]byte(dbzPlain), "", o, &b); err != nil || len(b.Events) != 2 || !b.Mapped(0) {
		t.Fatal(err, b.Events, b.Rejected)
	}
	for i := range b.Events {
		if !slices.Equal(b.Events[i].Labels, o.Tables[0].Labels) {
			t.Errorf("%+v", b.Events[i])
		}
	}
	if b.Reset(); b.Mapped(0) {
		t.Error("the next request's features are taken for given by the settings")
	}
	// An id that is made of the row would tell whether a guess of it is right.
	bare := strings.NewReplacer(`"lsn":987`, `"lsn":null`, `"txId":55`, `"txId":null`).Replace(dbzPlain)
	if err := Debezium([]byte(bare), "", o, &b); err != nil || refused(&b) != "0:field_missing:write_id" {
		t.Errorf("no position: %v, %+v, %+v", err, b.Rejected, b.Events)
	}
	b.Reset()
	o.Tables[0].WriteID = "sku"
	if err := Debezium([]byte(bare), "", o, &b); err != nil || len(b.Events) != 2 || b.Events[0].WriteID != "x" {
		t.Errorf("a column that holds the id: %v, %+v, %+v", err, b.Rejected, b.Events)
	}
}

// TestRecordsOfManyMembers: of a record only what matters is taken down. It counts what is
// allocated, so that it has to be alone.
func TestRecordsOfManyMembers(t *testing.T) {
	var many strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&many, `"%x":1,`, i)
	}
	wide := strings.NewReplacer(`"source":{`, `"source":{`+many.String(), `"after":{`, `"after":{`+many.String()).Replace(dbzPlain)
	extensions := strings.ReplaceAll(many.String(), `,"`, `,"iodebezium`)
	ce := `{` + ceHead + `,"type":"t","iodebeziumop":"c","iodebeziumname":"pg","iodebeziumschema":"public","iodebeziumtable":"carts","iodebeziumtsms":"1767323045123",` +
		extensions + `"data":{` + many.String() + `"before":null,"after":{"id":12}}}`
	for contentType, body := range map[string]string{"application/json": wide, "application/cloudevents+json": ce} {
		var before, after runtime.MemStats
		var b Batch
		runtime.ReadMemStats(&before)
		err := Events(headers("Content-Type", contentType), []byte(body), options(), &b)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err != nil || len(b.Events) != 2 || b.Events[0].Key != "12" || took > 3*uint64(len(body)) {
			t.Errorf("%s: %d bytes taken for %d, %d events, %+v, %v", contentType, took, len(body), len(b.Events), b.Rejected, err)
		}
	}
}

func TestDebeziumRejects(t *testing.T) {
	t.Parallel()
	op := func(s string) string { return strings.Replace(dbzPlain, `"op":"c"`, `"op":"`+s+`"`, 1) }
	for body, want := range map[string]string{
		op("r"): "0:operation_ignored:op", op("t"): "0:operation_ignored:op", op("m"): "0:operation_ignored:op",
		`{"schema":null,"payload":null}`:                    "0:operation_ignored:op",
		`{"after":{}}`:                                      "0:format_invalid",
		strings.Replace(dbzPlain, `"public"`, `"other"`, 1): "0:feature_unmapped:source.table",
		strings.Replace(dbzPlain, `"ts_ms":1767323045200,"ts_ns":1767323045200000009`, `"x":1`, 1): "0:time_missing:ts_ms",
	} {
		var b Batch
		if err := Debezium([]byte(body), "", options(), &b); err != nil || refused(&b) != want {
			t.Errorf("%s: %v, got %+v, want %s", body, err, b.Rejected, want)
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]Format{
		"": FormatNative, "application/json": FormatNative, "Application/JSON; charset=utf-8": FormatNative, "application/x-ndjson": FormatNative,
		"application/jsonl": FormatNative, "application/cloudevents+json": FormatCloudEvent, "application/cloudevents-batch+json": FormatCloudEventBatch,
		"text/html": 0, "application/x-www-form-urlencoded": 0, "application/x-protobuf": 0, "/": 0,
	} {
		got, err := Select(headers("Content-Type", contentType))
		if got != want || (want == 0) != errors.Is(err, ErrMediaType) {
			t.Errorf("%q: %d, %v", contentType, got, err)
		}
	}
	if got, err := Select(headers("Content-Type", "application/json", "Ce-Specversion", "1.0")); got != FormatCloudEventBinary || err != nil {
		t.Errorf("binary: %d, %v", got, err)
	}
	for contentType, want := range map[string]string{"application/json": "true", "application/x-protobuf": "false", "": "error", "text/plain": "error"} {
		isJSON, err := IsOTLPJSON(contentType)
		if got := fmt.Sprint(isJSON); (err == nil && got != want) || (err != nil && want != "error") {
			t.Errorf("%q: %v, %v", contentType, isJSON, err)
		}
	}
}

func FuzzEvents(f *testing.F) {
	for _, body := range []string{ceFull, dbzPlain, `{"schema":{},"payload":` + dbzPlain + `}`, "[" + ceFull + "]", ceData} {
		for _, contentType := range []string{"application/json", "application/cloudevents+json", "application/cloudevents-batch+json"} {
			f.Add([]byte(body), contentType, "1.0")
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType, specversion string) {
		h := headers("Content-Type", contentType, "Ce-Specversion", specversion, "Ce-Id", "i", "Ce-Source", "s", "Ce-Type", "read")
		var b Batch
		if err := Events(h, body, options(), &b); err != nil {
			return
		}
		if len(b.Events)+len(b.Rejected) == 0 && b.Items() > 0 {
			t.Fatalf("%d items vanished", b.Items())
		}
		b.Validate(now)
	})
}
