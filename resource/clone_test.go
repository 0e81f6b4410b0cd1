package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestClone fills every field of every kind, and checks that the copy is equal and shares no memory.
func TestClone(t *testing.T) {
	for _, k := range Kinds() {
		o, err := New(k)
		if err != nil || o.Kind() != k {
			t.Fatalf("New(%s): %T, %v", k, o, err)
		}
		fill(reflect.ValueOf(o).Elem())
		c := Clone(o)
		if !reflect.DeepEqual(o, c) {
			t.Errorf("%s: the copy differs", k)
		}
		if path := shared(reflect.ValueOf(o), reflect.ValueOf(c), string(k)); path != "" {
			t.Errorf("%s is shared with the copy", path)
		}
	}
	if c := Clone(&Circuit{}); c.Peerings != nil || c.Meta.Tags != nil {
		t.Errorf("nil becomes empty: %+v", c)
	}
	if _, err := New("x"); err == nil {
		t.Error("New of an unknown kind")
	}
}

// TestJSON: a document comes back from JSON as it was; the store keeps objects so.
func TestJSON(t *testing.T) {
	for _, k := range Kinds() {
		o, _ := New(k)
		fill(reflect.ValueOf(o).Elem())
		if f, ok := o.(*Fabric); ok {
			f.Principals[0].Secret = "" // only ever in the operator's file
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, _ := New(k)
		if err := json.Unmarshal(b, back); err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(b) {
			t.Errorf("%s: %v\n%s\n%s", k, err, b, again)
		}
	}
}

// fill sets every field to something that is not zero.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case ID:
		v.Set(reflect.ValueOf(id("virtualNetworks", "x").Child("subnets", "y")))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(addr("10.0.0.1")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(prefix("10.0.0.0/8")))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1e9, 0).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic(fmt.Sprintf("fill: %s", v.Type()))
	}
}

// shared finds memory that two values share, and names it; "" when there is none.
func shared(a, b reflect.Value, path string) string {
	switch a.Interface().(type) {
	case netip.Addr, netip.Prefix, time.Time:
		return "" // immutable
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Map:
		if a.Pointer() == b.Pointer() {
			return path
		}
		if a.Kind() == reflect.Pointer {
			return shared(a.Elem(), b.Elem(), path)
		}
	case reflect.Slice:
		if a.Pointer() == b.Pointer() {
			return path
		}
		return shared(a.Index(0), b.Index(0), path+"[0]")
	case reflect.Array:
		for i := range a.Len() {
			if s := shared(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i)); s != "" {
				return s
			}
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if s := shared(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); s != "" {
				return s
			}
		}
	}
	return ""
}

func TestErrors(t *testing.T) {
	a, b := invalid("x", "%d is wrong", 1), refuse(InUse, CodeConflict, "", "in use")
	if got := Errors(fmt.Errorf("apply: %w", errors.Join(a, errors.New("other"), b))); len(got) != 2 {
		t.Errorf("wrapped: %v", got)
	}
	if got := Errors(errors.Join(a, errors.New("other"), b)); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("joined: %v", got)
	}
	if Errors(nil) != nil || Errors(errors.New("x")) != nil {
		t.Error("refusals out of nothing")
	}
	if a.Error() != "x: 1 is wrong" || b.Error() != "in use" {
		t.Errorf("%q %q", a.Error(), b.Error())
	}
}

func TestCheckName(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		name string
		ok   bool
	}{
		{KindCircuit, "a", true}, {KindCircuit, "a.b-c_", true}, {KindCircuit, "9x", true}, {KindCircuit, strings.Repeat("a", 80), true},
		{KindCircuit, strings.Repeat("a", 81), false}, {KindCircuit, "", false}, {KindCircuit, "_a", false}, {KindCircuit, "a.", false},
		{KindCircuit, "a b", false}, {KindCircuit, "a/b", false}, {KindCircuit, "ä", false}, {KindNetwork, strings.Repeat("a", 65), false},
		{KindGroup, "(a)", true}, {KindGroup, "a.", false}, {KindGroup, strings.Repeat("a", 91), false}, {KindGroup, "", false}, {KindGroup, "a%", false},
	} {
		if err := CheckName(c.kind, c.name, "name"); (err == nil) != c.ok {
			t.Errorf("%s %q: %v", c.kind, c.name, err)
		}
	}
}

func TestID(t *testing.T) {
	const s = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.Network/virtualNetworks/n/subnets/s"
	parsed, err := ParseID(strings.Replace(strings.ToUpper(s), "/SUBNETS", "//SUBNETS", 1) + "/")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := ParseID(s)
	if !parsed.Equal(want) || parsed.Key() != want.Key() || want.String() != s || parsed.Kind() != KindNetwork {
		t.Errorf("have %v, want %v", parsed, want)
	}
	for _, bad := range []string{"", "/", "x", "/subscriptions", "/resourceGroups/x", "/subscriptions/x/y/z", "/subscriptions/x/resourceGroups",
		"/subscriptions/x/resourceGroups/g/providers/ns/type", "/subscriptions/x/resourceGroups/g/other/ns/type/name"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("%q is taken: %v", bad, id)
		}
	}
	if want.Root().String() != strings.TrimSuffix(s, "/subnets/s") || want.Name() != "s" || want.GroupID().Kind() != KindGroup {
		t.Errorf("root %v name %q group %v", want.Root(), want.Name(), want.GroupID())
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("/subscriptions/x/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s")
	f.Add("//subscriptions//X/")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			return
		}
		again, err := ParseID(id.String())
		if err != nil || !again.Equal(id) || again.Key() != id.Key() {
			t.Fatalf("%q: %v is not %v (%v)", s, again, id, err)
		}
	})
}
