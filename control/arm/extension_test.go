package arm

import (
	"strings"
	"testing"
)

const (
	subPath  = "/subscriptions/" + subCustomer
	lockPath = "/providers/Microsoft.Authorization/locks"
	tagsPath = "/providers/Microsoft.Resources/tags/default"
)

// TestLocks puts locks on a subscription, a group and a circuit, and tries what they forbid and what they let through.
func TestLocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, p := w.provisioned()
	change := `{"properties":{"serviceProviderProperties":{"bandwidthInMbps":500}}}`
	for name, scope := range map[string]string{"subscription": subPath, "group": rg1, "circuit": er1} {
		lock := scope + lockPath + "/keep"
		same(t, "level", c.must("PUT", lock, `{"properties":{"level":"Cannotdelete","notes":"mine"}}`, 201).field("properties.level"), any("CanNotDelete"))
		for _, gone := range []string{er1, private, rg1} {
			if r := c.do("DELETE", gone, ""); r.status != 409 || r.code() != "ScopeLocked" || !strings.Contains(r.body, "delete") {
				t.Errorf("CanNotDelete on the %s, DELETE %s: %d %s", name, gone, r.status, r.body)
			}
		}
		same(t, "a change below CanNotDelete", c.settle("PUT", er1, change), "Succeeded")
		c.must("PUT", lock, `{"properties":{"level":"ReadOnly"}}`, 200)
		for _, x := range [][3]string{{"PUT", er1, change}, {"PATCH", er1, `{"tags":{}}`}, {"DELETE", private, ""}, {"POST", private + "/arpTables/primary", ""},
			{"PUT", er1 + tagsPath, `{"properties":{"tags":{}}}`}, {"PUT", er1 + "/authorizations/a1", "{}"}, {"DELETE", rg1, ""}} {
			if r := c.do(x[0], x[1], x[2]); r.status != 409 || r.code() != "ScopeLocked" {
				t.Errorf("ReadOnly on the %s, %s %s: %d %s", name, x[0], x[1], r.status, r.body)
			}
		}
		c.must("GET", er1, "", 200)
		if r := c.must("GET", scope+lockPath, "", 200); !strings.Contains(r.body, `"id":"`+lock+`"`) {
			t.Errorf("locks of the %s: %s", name, r.body)
		}
		if r := c.must("GET", subPath+lockPath+"?$filter=atScope()&api-version=2016-09-01", "", 200); !strings.Contains(r.body, lock) {
			t.Errorf("the subscription does not list the lock of the %s: %s", name, r.body)
		}
		same(t, "one lock", c.must("GET", lock, "", 200).field("name"), any("keep"))
		same(t, "foreign reader", p.do("GET", lock, "").status, 403)
		c.must("DELETE", lock, "", 200)
		c.must("DELETE", lock, "", 204)
		same(t, "no lock", c.do("GET", lock, "").code(), "LockNotFound")
		same(t, "a change without locks", c.settle("PUT", er1, change), "Succeeded")
	}
	for body, code := range map[string]string{`{}`: "InvalidLockLevel", `{"properties":{"level":"Hard"}}`: "InvalidLockLevel", `[]`: "InvalidRequestFormat"} {
		same(t, body, c.do("PUT", rg1+lockPath+"/x", body).code(), code)
	}
	same(t, "lock of nothing", c.do("PUT", er1+"9"+lockPath+"/x", `{"properties":{"level":"ReadOnly"}}`).code(), "ResourceNotFound")
	same(t, "lock in no group", c.do("PUT", rg1+"9"+lockPath+"/x", `{"properties":{"level":"ReadOnly"}}`).code(), "ResourceGroupNotFound")
}

// TestTagsResource reads and writes tags beside what has them.
func TestTagsResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.linked(c)
	for _, scope := range []string{subPath, rg1, er1, strings.ToLower(net1) + "//virtualnetworks/v1"} {
		at := scope + tagsPath
		patch := func(op, tags string) string { return `{"operation":"` + op + `","properties":{"tags":` + tags + `}}` }
		for _, x := range [][3]string{
			{"PUT", `{"properties":{"tags":{"a":"1","B":"2"}}}`, `{"B":"2","a":"1"}`},
			{"PATCH", patch("Merge", `{"b":"3","c":"4"}`), `{"a":"1","b":"3","c":"4"}`},
			{"PATCH", patch("delete", `{"a":"1","b":"other"}`), `{"b":"3","c":"4"}`},
			{"PATCH", patch("Replace", `{"z":"9"}`), `{"z":"9"}`},
			{"GET", "", `{"z":"9"}`},
		} {
			r := c.must(x[0], at, x[1], 200)
			if !strings.Contains(r.body, `"properties":{"tags":`+x[2]) || !strings.Contains(r.body, `/tags/default","name":"default","type":"Microsoft.Resources/tags"`) {
				t.Errorf("%s %s %s: %s, want %s", x[0], at, x[1], r.body, x[2])
			}
		}
		same(t, "odd operation", c.do("PATCH", at, patch("Multiply", `{}`)).field("error.target"), any("operation"))
		c.must("DELETE", at, "", 200)
		same(t, "tags after DELETE", strings.Contains(c.must("GET", at, "", 200).body, `"tags":{}`), true)
	}
	c.must("PUT", er1+tagsPath, `{"properties":{"tags":{"team":"net"}}}`, 200)
	same(t, "the circuit's own tag", c.must("GET", er1, "", 200).field("tags.team"), any("net"))
	same(t, "a tag that means something", c.do("PUT", net1+"/networkInterfaces/nic1"+tagsPath, `{"properties":{"tags":{"attachTo":"nowhere/x"}}}`).status, 400)
	same(t, "tags of nothing", c.do("GET", er1+"9"+tagsPath, "").code(), "ResourceNotFound")
	for filter, want := range map[string]bool{
		"tagName eq 'TEAM'": true, "tagName eq 'team' and tagValue eq 'net'": true, "tagName eq 'team' and tagValue eq 'x'": false, "resourceType eq 'microsoft.network/expressroutecircuits'": true,
		"resourceType eq 'Microsoft.Network/virtualNetworks'": false, "name eq 'ER1' and resourceGroup eq 'RG1'": true, "name ne 'er1'": false, "substringof('r1',name)": true, "location eq 'West US 2'": true,
	} {
		r := c.must("GET", subPath+"/resources?api-version=2021-04-01&$expand=createdTime&$filter="+strings.ReplaceAll(filter, " ", "%20"), "", 200)
		if strings.Contains(r.body, `"id":"`+er1+`"`) != want {
			t.Errorf("%s: %s, want the circuit: %v", filter, r.body, want)
		}
	}
	for _, bad := range []string{"$filter=name%20like%20'x'", "$filter=colour%20eq%20'x'", "$top=x"} {
		same(t, bad, c.do("GET", subPath+"/resources?api-version=2021-04-01&"+bad, "").status, 400)
	}
	same(t, "two of many", strings.Count(c.must("GET", rg1+"/resources?api-version=2021-04-01&$top=2", "", 200).body, `"id"`), 2)
}

// TestRouteFilters orders a filter and its rule, and reads the catalogue that rules choose from.
func TestRouteFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	rf := net1 + "/routeFilters/rf1"
	same(t, "order", c.settle("PUT", rf, `{"location":"West US 2","tags":{"a":"b"},"properties":{"rules":[]}}`), "Succeeded")
	same(t, "rule", c.settle("PUT", rf+"/routeFilterRules/r1", `{"location":"westus2","name":"r1","properties":{"access":"allow","communities":["12076:5010"]}}`), "Succeeded")
	r := c.must("GET", rf+"/routeFilterRules/R1", "", 200)
	same(t, "type of the rule", r.field("properties.routeFilterRuleType"), any("Community"))
	same(t, "access", r.field("properties.access"), any("Allow"))
	if r.field("type") != nil {
		t.Error("a rule has a type")
	}
	same(t, "PUT without rules keeps them", c.settle("PUT", rf, `{"location":"westus2","properties":{}}`), "Succeeded")
	for path, want := range map[string]string{rf: `"communities":["12076:5010"]`, net1 + "/routeFilters": `"name":"rf1"`, subPath + "/providers/Microsoft.Network/routeFilters": `"name":"rf1"`,
		rf + "/routeFilterRules": `"name":"r1"`, subPath + "/providers/Microsoft.Network/bgpServiceCommunities": `"communityValue":"12076:51026"`} {
		if r := c.must("GET", path, "", 200); !strings.Contains(r.body, want) {
			t.Errorf("GET %s: %s, want %s", path, r.body, want)
		}
	}
	c.must("PATCH", rf, `{"tags":{"x":"y"}}`, 200)
	for body, code := range map[string]string{
		`{"properties":{"communities":["5010"]}}`: "InvalidParameterValue", `{"properties":{"communities":[]}}`: "InvalidParameterValue",
		`{"properties":{"access":"Maybe"}}`: "InvalidParameterValue", `{"properties":{"communities":["70000:1"]}}`: "InvalidParameterValue",
	} {
		same(t, body, c.do("PUT", rf+"/routeFilterRules/r1", body).code(), code)
	}
	same(t, "second rule", c.do("PUT", rf+"/routeFilterRules/r2", `{"properties":{"communities":["12076:5010"]}}`).code(), "ResourceCountExceedsLimit")
	same(t, "on a peering", c.do("PUT", private, `{"properties":{"routeFilter":{"id":"`+rf+`"}}}`).status, 501)
	same(t, "delete the rule", c.follow(c.must("DELETE", rf+"/routeFilterRules/r1", "", 202)), "Succeeded")
	c.must("DELETE", rf+"/routeFilterRules/r1", "", 204)
	same(t, "delete", c.follow(c.must("DELETE", rf, "", 202)), "Succeeded")
	c.must("GET", rf, "", 404)
	all, err := readCommunities(communitiesText)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, k := range all {
		if seen[k.value] || !strings.HasPrefix(k.value, "12076:5") {
			t.Errorf("community %s: twice, or not of the cloud", k.value)
		}
		seen[k.value] = true
	}
}

// TestUsages asks how much is used and what is free.
func TestUsages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.provisioned()
	w.linked(c)
	v1 := net1 + "/virtualNetworks/v1"
	taken := c.must("GET", net1+"/networkInterfaces/nic1", "", 200).body
	_, rest, _ := strings.Cut(taken, `"privateIPAddress":"`)
	address, _, _ := strings.Cut(rest, `"`)
	ask := func(a string) reply {
		return c.do("GET", v1+"/CheckIPAddressAvailability?api-version=2022-01-01&ipAddress="+a, "")
	}
	r := ask(address)
	if r.field("available") != any(false) || strings.Contains(r.body, address) || strings.Contains(r.body, `"availableIPAddresses":[]`) {
		t.Errorf("the address %s of nic1: %s", address, r.body)
	}
	free, _, _ := strings.Cut(strings.SplitAfter(r.body, `"availableIPAddresses":["`)[1], `"`)
	same(t, "a free address", ask(free).field("available"), any(true))
	same(t, "outside", ask("192.0.2.1").status, 400)
	same(t, "no address", ask("x").status, 400)
	r = c.must("GET", v1+"/usages", "", 200)
	if !strings.Contains(r.body, `"currentValue":1,`) || !strings.Contains(r.body, `"currentValue":2,`) {
		t.Errorf("usages of a network with an interface and a gateway: %s", r.body)
	}
	r = c.must("GET", subPath+"/providers/Microsoft.Network/locations/westus2/usages", "", 200)
	if !strings.Contains(r.body, `"currentValue":1`) || !strings.Contains(r.body, `"ExpressRouteCircuits"`) {
		t.Errorf("usages of a region: %s", r.body)
	}
	c.must("GET", subPath+"/providers/Microsoft.Network/locations/mars/usages", "", 400)
}
