package reconcile

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// combine decides a field by its type from all that was done to it. ok is false when a
// value does not fit the type. lost are the values that are not in the result.
func (f *Field) combine(list []touch) (ok bool, lost []touch) {
	switch f.Type {
	case TypeSet:
		return f.union(list), nil
	case TypeEnable:
		return f.enable(list)
	case TypeCounter:
		return f.sum(list), nil
	case TypeMax, TypeMin:
		return f.extreme(list)
	}
	return false, nil
}

// union is every element of every array, each once, in the order of their text.
func (f *Field) union(list []touch) bool {
	set := map[string]bool{}
	for _, t := range list {
		var elements []json.RawMessage
		if t.value == removed || json.Unmarshal([]byte(t.value), &elements) != nil || elements == nil {
			return false
		}
		for _, e := range elements {
			set[string(e)] = true
		}
	}
	f.Value, f.From = "["+strings.Join(sorted(set), ",")+"]", writesOf(list)
	return true
}

func (f *Field) enable(list []touch) (ok bool, lost []touch) {
	f.Value = "false"
	for _, t := range list {
		if t.value != "true" && t.value != "false" {
			return false, nil
		}
		if t.value == "true" {
			f.Value = "true"
		}
	}
	for _, t := range list {
		if t.value == f.Value {
			f.From = append(f.From, t.by.WriteID)
		} else {
			lost = append(lost, t)
		}
	}
	return true, lost
}

// sum is exact: decimal fractions add up to decimal fractions.
func (f *Field) sum(list []touch) bool {
	total, places := new(big.Rat), 0
	for _, t := range list {
		n, decimals, ok := number(t.value)
		if !ok || t.append {
			return false
		}
		total.Add(total, n)
		places = max(places, decimals)
	}
	f.Value, f.From = total.FloatString(places), writesOf(list)
	return true
}

// extreme is the greatest or the least number; of equal ones the least text stands for
// all, so that 1 and 1.0 do not depend on the order.
func (f *Field) extreme(list []touch) (ok bool, lost []touch) {
	var best *big.Rat
	for _, t := range list {
		n, _, ok := number(t.value)
		if !ok || t.append {
			return false, nil
		}
		c := 1
		if best != nil {
			c = n.Cmp(best)
			if f.Type == TypeMin {
				c = -c
			}
		}
		if c > 0 || c == 0 && t.value < f.Value {
			best, f.Value = n, t.value
		}
	}
	for _, t := range list {
		if n, _, _ := number(t.value); n.Cmp(best) == 0 {
			f.From = append(f.From, t.by.WriteID)
		} else {
			lost = append(lost, t)
		}
	}
	return true, lost
}

// Limits of numbers that are computed with: what a text of one of them stands for fits
// in some hundred bytes.
const (
	maxNumberText = 64
	maxExponent   = 300
)

// number reads a JSON number exactly, with how many decimal places it needs.
func number(text string) (n *big.Rat, places int, ok bool) {
	if text == "" || len(text) > maxNumberText || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return nil, 0, false
	}
	mantissa, exp, has := strings.Cut(strings.ToLower(text), "e")
	shift := 0
	if has {
		v, err := strconv.Atoi(exp)
		if err != nil || v > maxExponent || v < -maxExponent {
			return nil, 0, false
		}
		shift = v
	}
	n, ok = new(big.Rat).SetString(text)
	_, decimals, _ := strings.Cut(mantissa, ".")
	return n, max(len(decimals)-shift, 0), ok
}

// compose writes the fields of a merge as a delta of the form that the writes had.
func compose(fields []Field, patch bool) json.RawMessage {
	if patch {
		return composePatch(fields)
	}
	if len(fields) == 1 && fields[0].Path == "" {
		return json.RawMessage(fields[0].Value)
	}
	root := map[string]any{}
	for i := range fields {
		place(root, strings.Split(fields[i].Path, "/")[1:], json.RawMessage(fields[i].Value))
	}
	return json.RawMessage(canonical(root))
}

func place(at map[string]any, path []string, value json.RawMessage) {
	for _, p := range path[:len(path)-1] {
		name := unescape(p)
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	at[unescape(path[len(path)-1])] = value
}

func composePatch(fields []Field) json.RawMessage {
	type op struct {
		Op    string          `json:"op"`
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value,omitempty"`
	}
	ops := []op{}
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Value == removed:
			ops = append(ops, op{Op: "remove", Path: f.Path})
		case f.append:
			var elements []json.RawMessage
			if json.Unmarshal([]byte(f.Value), &elements) == nil {
				for _, e := range elements {
					ops = append(ops, op{"add", f.Path + "/-", e})
				}
			}
		default:
			ops = append(ops, op{"replace", f.Path, json.RawMessage(f.Value)})
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(ops) != nil {
		return nil
	}
	return slices.Clip(bytes.TrimSpace(out.Bytes()))
}
