package flagdcore

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags/eval"
)

const (
	files         = 60
	flagsPerFile  = 20
	contexts      = 12
	nowSeconds    = 1_800_000_000
	maxDifference = 20 // shown
)

// TestSameAsFlagd: the same value, variant, reason, error code and metadata.
func TestSameAsFlagd(t *testing.T) {
	t.Parallel()
	jobs := make([]job, files)
	for i := range jobs {
		g := newGenerator(uint64(i))
		jobs[i] = job{Now: nowSeconds, File: encode(t, g.file(flagsPerFile))}
		for range contexts {
			ctx := g.context()
			for k := range flagsPerFile {
				jobs[i].Questions = append(jobs[i].Questions, question{"f" + strconv.Itoa(k), ctx})
			}
		}
	}
	verdicts := ask(t, jobs)
	seen := map[string]int{}
	wrong := 0
	for i, j := range jobs {
		set, refused := compileMost(t, j.File)
		for k, q := range j.Questions {
			want := verdicts[i].Answers[k]
			seen[want.Reason+" "+want.Code]++
			if why, is := refused[q.Key]; is {
				if want.Code != "PARSE_ERROR" {
					t.Errorf("refused what flagd takes: %s\n%s", why, flagText(t, j.File, q.Key))
				}
				continue
			}
			got := ours(set, q)
			if d := cmp.Diff(want, got); d != "" {
				if wrong++; wrong <= maxDifference {
					t.Errorf("file %d, %s, context %s:\n%s\n(-flagd +ours)\n%s", i, q.Key, encode(t, q.Context), flagText(t, j.File, q.Key), d)
				}
			}
		}
	}
	t.Logf("answers by reason: %v", seen)
	for _, r := range []string{"STATIC ", "DEFAULT ", "TARGETING_MATCH ", "DISABLED ", "ERROR GENERAL"} {
		if seen[r] < 20 {
			t.Errorf("only %d answers were %s: the generator tests too little", seen[r], r)
		}
	}
	if wrong > 0 {
		t.Errorf("%d answers differ", wrong)
	}
}

func ours(s *eval.Set, q question) answer {
	r := s.Evaluate(q.Key, q.Context, time.Unix(nowSeconds, 0))
	return answer{r.Value, r.Variant, string(r.Reason), string(r.Code), r.Metadata.Map()}
}

// compileMost compiles what Compile accepts and returns why it refuses the rest, by flag.
func compileMost(t *testing.T, file json.RawMessage) (*eval.Set, map[string]string) {
	t.Helper()
	d, err := eval.ParseFlagd(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{}
	s, err := eval.Compile(d)
	if invalid, ok := errors.AsType[*eval.Invalid](err); ok {
		for _, p := range invalid.Problems {
			key, _, _ := strings.Cut(strings.TrimPrefix(p.Path, "$.flags."), ".")
			refused[key] = p.String()
			delete(d.Flags, key)
		}
		s, err = eval.Compile(d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, refused
}

func encode(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func flagText(t *testing.T, file json.RawMessage, key string) json.RawMessage {
	t.Helper()
	var f struct {
		Flags map[string]json.RawMessage `json:"flags"`
	}
	if err := json.Unmarshal(file, &f); err != nil {
		t.Fatal(err)
	}
	return f.Flags[key]
}
