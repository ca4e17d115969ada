package metrics

import (
	"strings"
	"testing"
)

const validNow = int64(1767323045000000000)

func validEvent() Event {
	return Event{
		EventID: "e", Kind: KindApplied, WriteID: "w", Feature: "f", Replica: "r", Service: "s", OccurredAt: validNow,
		Version: SeqVersion(1), SessionID: "s", SessionSeq: 1, Labels: []string{"pii"}, Mechanism: "cdc",
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	kind := func(k Kind) func(*Event) {
		return func(e *Event) { *e = Event{Kind: k, Feature: "f", OccurredAt: validNow} }
	}
	for name, x := range map[string]struct {
		change      func(*Event)
		code, field string
	}{
		"good":                      {func(*Event) {}, "", ""},
		"no kind":                   {func(e *Event) { e.Kind = 0 }, CodeFieldMissing, "kind"},
		"unknown kind":              {func(e *Event) { e.Kind = 99 }, CodeKindUnknown, "kind"},
		"no feature":                {func(e *Event) { e.Feature = "" }, CodeFieldMissing, "feature"},
		"no time":                   {func(e *Event) { e.OccurredAt = 0 }, CodeTimeMissing, "occurred_at"},
		"13 months ago":             {func(e *Event) { e.OccurredAt = validNow - int64(MaxPast) }, "", ""},
		"longer ago":                {func(e *Event) { e.OccurredAt = validNow - int64(MaxPast) - 1 }, CodeTimeOutOfRange, "occurred_at"},
		"ten minutes ahead":         {func(e *Event) { e.OccurredAt = validNow + int64(MaxFuture) }, "", ""},
		"further ahead":             {func(e *Event) { e.OccurredAt = validNow + int64(MaxFuture) + 1 }, CodeTimeOutOfRange, "occurred_at"},
		"milliseconds":              {func(e *Event) { e.OccurredAt = validNow / 1e6 }, CodeTimeOutOfRange, "occurred_at"},
		"stage without write":       {func(e *Event) { e.WriteID = "" }, CodeFieldMissing, "write_id"},
		"stage without replica":     {func(e *Event) { e.Replica, e.Service = "", "" }, CodeFieldMissing, "replica"},
		"stage with service":        {func(e *Event) { e.Replica = "" }, "", ""},
		"origin without replica":    {func(e *Event) { e.Kind, e.Replica, e.Service = KindCommitted, "", "" }, "", ""},
		"failed without write":      {kind(KindFailed), CodeFieldMissing, "write_id"},
		"conflict without id":       {kind(KindConflictDetected), CodeFieldMissing, "conflict_id"},
		"resolution without id":     {kind(KindConflictResolved), CodeFieldMissing, "conflict_id"},
		"read of nothing":           {kind(KindRead), CodeFieldMissing, "session_id"},
		"a feature that is .":       {func(e *Event) { e.Feature = "." }, CodeFieldInvalid, "feature"},
		"a write that is ..":        {func(e *Event) { e.WriteID = ".." }, CodeFieldInvalid, "write_id"},
		"a conflict that is ..":     {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = ".." }, CodeFieldInvalid, "conflict_id"},
		"dots with more":            {func(e *Event) { e.WriteID = "..." }, "", ""},
		"dots elsewhere":            {func(e *Event) { e.Key, e.Service = ".", ".." }, "", ""},
		"read of a key":             {func(e *Event) { kind(KindRead)(e); e.Key = "k" }, "", ""},
		"heartbeat of nobody":       {kind(KindHeartbeat), CodeFieldMissing, "replica"},
		"heartbeat of a service":    {func(e *Event) { kind(KindHeartbeat)(e); e.Service = "s" }, "", ""},
		"unknown mechanism":         {func(e *Event) { e.Mechanism = "pigeon" }, CodeMechanismUnknown, "mechanism"},
		"long mechanism":            {func(e *Event) { e.Mechanism = strings.Repeat("x", 1000) }, CodeMechanismUnknown, "mechanism"},
		"offset":                    {func(e *Event) { e.ClockOffset = int64(MaxOffset) + 1 }, CodeValueOutOfRange, "clock_offset_ns"},
		"error":                     {func(e *Event) { e.ClockError = -1 }, CodeValueOutOfRange, "clock_error_ns"},
		"sequence":                  {func(e *Event) { e.SessionSeq = -1 }, CodeValueOutOfRange, "session_seq"},
		"attempt":                   {func(e *Event) { e.Attempt = MaxAttempt + 1 }, CodeValueOutOfRange, "attempt"},
		"large attributes":          {func(e *Event) { e.Attributes = strings.Repeat("x", MaxAttributes+1) }, CodeAttributesTooLarge, "attributes"},
		"another's conflict":        {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = "shop~~c" }, CodeFieldInvalid, "conflict_id"},
		"own conflict":              {func(e *Event) { kind(KindConflictResolved)(e); e.ConflictID = e.Feature + "~~c" }, "", ""},
		"own and another's":         {func(e *Event) { kind(KindConflictResolved)(e); e.ConflictID = e.Feature + "~~shop~~c" }, CodeFieldInvalid, "conflict_id"},
		"half a mark":               {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = "~c" }, CodeFieldInvalid, "conflict_id"},
		"own and half a mark":       {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = e.Feature + "~~~c" }, CodeFieldInvalid, "conflict_id"},
		"own and nothing":           {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = e.Feature + "~~" }, CodeFieldInvalid, "conflict_id"},
		"own and a dot":             {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = e.Feature + "~~." }, CodeFieldInvalid, "conflict_id"},
		"half a mark elsewhere":     {func(e *Event) { kind(KindConflictDetected)(e); e.ConflictID = "c~1~" }, "", ""},
		"a feature with half of it": {func(e *Event) { kind(KindConflictDetected)(e); e.Feature = "shop~"; e.ConflictID = "shop~~~c" }, "", ""},
		"empty item":                {func(e *Event) { e.Parents = []string{"a", ""} }, CodeFieldTooLong, "parents"},
	} {
		e := validEvent()
		x.change(&e)
		r := Validate(&e, validNow)
		if r == nil {
			r = &Rejection{}
		}
		if r.Code != x.code || r.Field != x.field {
			t.Errorf("%s: got %+v, want %s of %s", name, r, x.code, x.field)
		}
		if x.code != "" && (len(r.Message) < 20 || len(r.Message) > 400 || !strings.Contains(r.Message, x.field)) {
			t.Errorf("%s: message %q", name, r.Message)
		}
	}
}

// TestNoTwoFeaturesKeepAConflictUnderOneID, whatever they call themselves and it.
func TestNoTwoFeaturesKeepAConflictUnderOneID(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, n := range []int{1, 2, 3, 4, 5} {
		for bits := range 1 << n {
			text := make([]byte, n)
			for i := range text {
				text[i] = "a~"[bits>>i&1]
			}
			texts = append(texts, string(text))
		}
	}
	own, foreign := map[string]bool{}, map[string][2]string{}
	for _, feature := range texts {
		for _, id := range texts {
			e := validEvent()
			e.Kind, e.Feature, e.ConflictID = KindConflictDetected, feature, id
			if Validate(&e, validNow) != nil {
				continue
			}
			id = OwnConflict(feature, id)
			kept, by := ForeignConflict(feature, id), [2]string{feature, id}
			if was, ok := foreign[kept]; ok && was != by {
				t.Errorf("%q is kept of %q and %q", kept, was, by)
			}
			own[id], foreign[kept] = true, by
			if OwnConflict(feature, kept) != id {
				t.Errorf("%q calls %q %q, not %q", feature, kept, OwnConflict(feature, kept), id)
			}
		}
	}
	for kept, by := range foreign {
		if own[kept] {
			t.Errorf("%q is kept of %q, and another may call its own so", kept, by)
		}
	}
	if len(foreign) < 1000 {
		t.Errorf("only %d", len(foreign))
	}
}

// TestARefusalNamesNoFeature that the sender may not have named: the settings may have
// given it to the event.
func TestARefusalNamesNoFeature(t *testing.T) {
	t.Parallel()
	e := validEvent()
	e.Kind, e.Feature, e.ConflictID = KindConflictDetected, "hidden", "shop~~c"
	if r := Validate(&e, validNow); r == nil || strings.Contains(r.Message, "hidden") {
		t.Errorf("%+v", r)
	}
}

// TestEveryLimitHolds sets each field of Limits to its limit and one beyond.
func TestEveryLimitHolds(t *testing.T) {
	t.Parallel()
	for _, l := range Limits() {
		for _, over := range []bool{false, true} {
			e := validEvent()
			fillField(&e, l, over)
			if r := Validate(&e, validNow); over != (r != nil) || over && (r.Field != l.Field || r.Code != CodeFieldTooLong && r.Code != CodeAttributesTooLarge) {
				t.Errorf("%s, beyond its limit %v: %+v", l.Field, over, r)
			}
		}
		if l.Items > 0 {
			e := validEvent()
			*e.List(l.Field) = strings.Split(strings.Repeat("x,", l.Items)+"x", ",")
			if r := Validate(&e, validNow); r == nil || r.Field != l.Field {
				t.Errorf("%d items of %s: %+v", l.Items+1, l.Field, r)
			}
		}
	}
}

func fillField(e *Event, l Limit, over bool) {
	n := l.Bytes
	if over {
		n++
	}
	s := strings.Repeat("x", n)
	switch {
	case l.Items > 0:
		*e.List(l.Field) = []string{s}
	case l.Field == "version":
		e.Version = Version{Kind: VersionHLC, Text: s}
	case l.Field == "delta":
		e.Delta = s
	case l.Field == "attributes":
		e.Attributes = s
	default:
		*e.Text(l.Field) = s
	}
}

func TestValidateDoesNotAllocate(t *testing.T) {
	e := validEvent()
	if n := testing.AllocsPerRun(100, func() { _ = Validate(&e, validNow) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestContentIDTellsEveryFieldApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	note := func(what string, change func(*Event)) {
		e := validEvent()
		change(&e)
		id := ContentID(&e)
		if other, ok := seen[id]; ok {
			t.Errorf("%s has the content id of %s", what, other)
		}
		seen[id] = what
	}
	note("nothing", func(*Event) {})
	for _, l := range Limits() {
		switch {
		case l.Field == "event_id":
		case l.Items > 0:
			note(l.Field, func(e *Event) { *e.List(l.Field) = []string{"a", "b"} })
			note(l.Field+" joined", func(e *Event) { *e.List(l.Field) = []string{"ab"} })
		default:
			note(l.Field, func(e *Event) { fillField(e, Limit{Field: l.Field, Bytes: 3}, false) })
		}
	}
	note("kind", func(e *Event) { e.Kind = KindVisible })
	note("time", func(e *Event) { e.OccurredAt++ })
	note("offset of 0", func(e *Event) { e.HasOffset = true })
	note("offset", func(e *Event) { e.ClockOffset = 1 })
	note("error", func(e *Event) { e.ClockError = 1 })
	note("sequence", func(e *Event) { e.SessionSeq++ })
	note("attempt", func(e *Event) { e.Attempt = 1 })
	note("auto", func(e *Event) { e.Auto = Yes })
	note("not auto", func(e *Event) { e.Auto = No })
	note("seq", func(e *Event) { e.Version.Seq = 2 })
	note("mechanism", func(e *Event) { e.Mechanism = "crdt" })

	a, b := validEvent(), validEvent()
	a.EventID, a.ObservedAt, a.Delta = "other", 5, `{"a": "x \" y"}`
	b.Delta = "{ \"a\":\t\"x \\\" y\" }"
	if ContentID(&a) != ContentID(&b) {
		t.Error("event_id, observed_at or white space takes part")
	}
}

func BenchmarkValidate(b *testing.B) {
	e := validEvent()
	b.ReportAllocs()
	for b.Loop() {
		if Validate(&e, validNow) != nil {
			b.Fatal("rejected")
		}
	}
}

func BenchmarkContentID(b *testing.B) {
	e := validEvent()
	var dst, scratch []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, scratch = AppendContentID(dst[:0], scratch, &e)
	}
}
