package arm

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"onramp/control/store"
	"onramp/resource"
)

const (
	deploymentType    = "deployments"
	deploymentActions = resourcesNamespace + "/deployments/"
	maxTemplate       = 512 << 10 // sealed and stored whole; etcd takes 1.5 MiB
)

type deploymentWire struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Properties deploymentProps `json:"properties"`
}

type deploymentProps struct {
	ProvisioningState string           `json:"provisioningState"`
	CorrelationID     string           `json:"correlationId"`
	Timestamp         string           `json:"timestamp"`
	Duration          string           `json:"duration"`
	Mode              string           `json:"mode"`
	Parameters        json.RawMessage  `json:"parameters,omitempty"`
	Outputs           json.RawMessage  `json:"outputs,omitempty"`
	Providers         []deployProvider `json:"providers"`
	Dependencies      []dependencyWire `json:"dependencies"`
	Resources         []refWire        `json:"outputResources,omitempty"`
	Validated         []refWire        `json:"validatedResources,omitempty"`
	Error             *errorWire       `json:"error,omitempty"`
}

type deployProvider struct {
	Namespace string               `json:"namespace"`
	Types     []deployProviderType `json:"resourceTypes"`
}

type deployProviderType struct {
	Type      string   `json:"resourceType"`
	Locations []string `json:"locations"`
}

type targetWire struct {
	ID   string `json:"id"`
	Type string `json:"resourceType"`
	Name string `json:"resourceName"`
}

type dependencyWire struct {
	targetWire
	After []targetWire `json:"dependsOn"`
}

func targetOut(id resource.ID) targetWire {
	return targetWire{ID: id.String(), Type: id.Namespace + "/" + strings.Join(id.Types, "/"), Name: strings.Join(id.Names, "/")}
}

// deploymentState is the provisioningState of a deployment.
func deploymentState(d *resource.Deployment) string {
	switch {
	case d.Ended.IsZero():
		return "Running"
	case d.Meta.Failure != nil:
		return "Failed"
	}
	return "Succeeded"
}

func deploymentOut(d *resource.Deployment) deploymentWire {
	last := d.Ended
	if last.IsZero() {
		last = time.Now().UTC()
	}
	p := deploymentProps{
		ProvisioningState: deploymentState(d), CorrelationID: d.Correlation, Timestamp: last.Format(timeForm), Duration: duration(last.Sub(d.Started)),
		Mode: "Incremental", Parameters: d.Parameters, Outputs: d.Outputs, Providers: []deployProvider{}, Dependencies: []dependencyWire{},
	}
	for _, s := range d.Steps {
		p.addProvider(s.Target, d.Meta.Location)
		if len(s.After) > 0 {
			row := dependencyWire{targetWire: targetOut(s.Target)}
			for _, n := range s.After {
				row.After = append(row.After, targetOut(d.Steps[n].Target))
			}
			p.Dependencies = append(p.Dependencies, row)
		}
		if s.State == resource.StepDone && !d.Ended.IsZero() && !s.Begun.IsZero() {
			p.Resources = append(p.Resources, refWire{s.Target.String()})
		}
	}
	if d.Meta.Failure != nil {
		e := deploymentFault(d).wire()
		p.Error = &e
	}
	id := d.Meta.ID
	return deploymentWire{ID: id.String(), Name: id.Name(), Type: resourcesNamespace + "/" + deploymentType, Properties: p}
}

// addProvider adds a resource's type to the list of those used.
func (p *deploymentProps) addProvider(id resource.ID, location string) {
	typ := deployProviderType{Type: strings.Join(id.Types, "/"), Locations: []string{location}}
	for i := range p.Providers {
		if p.Providers[i].Namespace == id.Namespace {
			for _, t := range p.Providers[i].Types {
				if t.Type == typ.Type {
					return
				}
			}
			p.Providers[i].Types = append(p.Providers[i].Types, typ)
			return
		}
	}
	p.Providers = append(p.Providers, deployProvider{id.Namespace, []deployProviderType{typ}})
}

// duration is ISO 8601's form.
func duration(d time.Duration) string {
	return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
}

// deploymentFault is why a deployment failed, with the failures of its resources.
func deploymentFault(d *resource.Deployment) *fault {
	e := failureFault(d.Meta.Failure)
	for _, s := range d.Steps {
		if s.Failure != nil {
			e.Details = append(e.Details, detail{Code: s.Failure.Code, Message: s.Failure.Message, Target: s.Target.String()})
		}
	}
	return e
}

func (c *call) deployment() resource.ID {
	id := c.scope()
	id.Namespace, id.Types, id.Names = resourcesNamespace, []string{deploymentType}, []string{c.params["name"]}
	return id
}

// planDeployment reads the body of an order or a validation.
func (f *Front) planDeployment(c *call) (*template, json.RawMessage, error) {
	var in struct {
		Properties json.RawMessage `json:"properties"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, nil, err
	}
	if len(in.Properties) == 0 {
		return nil, nil, badTemplate("properties is missing")
	}
	if len(in.Properties) > maxTemplate {
		return nil, nil, refuse(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The deployment is larger than the limit of %d bytes.", maxTemplate)
	}
	if err := resource.CheckName(resource.KindDeployment, c.params["name"], "name"); err != nil {
		return nil, nil, err
	}
	g, err := load[*resource.Group](f, c, c.scope())
	if err != nil {
		return nil, nil, err
	}
	t, err := readTemplate(in.Properties, g.Meta.ID, g.Meta.Location)
	return t, in.Properties, err
}

// newDeployment is the document of an order.
func (f *Front) newDeployment(c *call, t *template, raw json.RawMessage) (*resource.Deployment, error) {
	sealed, err := f.cfg.Store.Keyring().SealFor(string(raw), c.deployment().Key())
	if err != nil {
		return nil, err
	}
	shown, err := t.shown()
	if err != nil {
		return nil, err
	}
	id := t.scope.group
	id.Namespace, id.Types, id.Names = resourcesNamespace, []string{deploymentType}, []string{c.params["name"]}
	d := &resource.Deployment{Meta: newHead(id, t.scope.location), Run: uuid.NewString(), Plan: sealed, Parameters: shown,
		Principal: c.who.ClientID, Correlation: c.ids.correlation, Started: time.Now().UTC()}
	d.Meta.State = resource.Updating
	for _, s := range t.steps {
		step := resource.DeploymentStep{Target: s.id, After: s.after}
		if s.body == nil { // its condition is false
			step.State = resource.StepDone
		}
		d.Steps = append(d.Steps, step)
	}
	return d, nil
}

func putDeployment(f *Front, c *call) (answer, error) {
	t, raw, err := f.planDeployment(c)
	if err != nil {
		return answer{}, err
	}
	done, err := f.newDeployment(c, t, raw)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	err = f.order(c, done.Meta.ID.Subscription, nil, func(d *draft) error {
		if _, err := d.needGroup(done.Meta.ID); err != nil {
			return err
		}
		old, _ := d.find(done.Meta.ID).(*resource.Deployment)
		if status = http.StatusOK; old == nil {
			status = http.StatusCreated
		} else if old.Ended.IsZero() {
			return refuse(http.StatusConflict, "DeploymentActive", "Unable to edit or replace deployment '%s': previous deployment from '%s' is still active.",
				old.Meta.ID.Name(), old.Started.Format(timeForm))
		} else {
			done.Meta.Locks = old.Meta.Locks
		}
		d.put(done)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	f.startDeployment(done.Meta.ID)
	body := deploymentOut(done)
	body.Properties.ProvisioningState = "Accepted"
	return answer{status: status, body: body, header: map[string]string{
		"Azure-AsyncOperation": c.base + done.Meta.ID.String() + "/operationStatuses/" + done.Run + "?api-version=" + c.version,
		"Retry-After":          pollSeconds, "retry-after-ms": pollMillis, "X-Go-Azure-Sdk-Skip-Polling-Delay": "true"}}, nil
}

// postValidate understands a deployment, orders nothing, and answers what it would order.
func postValidate(f *Front, c *call) (answer, error) {
	t, raw, err := f.planDeployment(c)
	if err != nil {
		return answer{}, err
	}
	d, err := f.newDeployment(c, t, raw)
	if err != nil {
		return answer{}, err
	}
	d.Ended = d.Started
	w := deploymentOut(d)
	for _, s := range d.Steps {
		w.Properties.Validated = append(w.Properties.Validated, refWire{s.Target.String()})
	}
	return ok(w), nil
}

// loadDeployment reads a deployment in ARM's words.
func (f *Front) loadDeployment(c *call) (*resource.Deployment, error) {
	o, err := f.cfg.Store.Get(c.ctx, c.deployment())
	if errors.Is(err, store.ErrNotFound) {
		if _, err := load[*resource.Group](f, c, c.scope()); err != nil {
			return nil, err
		}
		return nil, refuse(http.StatusNotFound, "DeploymentNotFound", "Deployment '%s' could not be found.", c.params["name"])
	}
	if err != nil {
		return nil, err
	}
	return o.(*resource.Deployment), nil
}

func getDeployment(f *Front, c *call) (answer, error) {
	d, err := f.loadDeployment(c)
	if err != nil {
		return answer{}, err
	}
	return ok(deploymentOut(d)), nil
}

func headDeployment(f *Front, c *call) (answer, error) {
	_, err := f.loadDeployment(c)
	return answer{status: http.StatusNoContent}, err
}

func listDeployments(f *Front, c *call) (answer, error) {
	if _, err := load[*resource.Group](f, c, c.scope()); err != nil {
		return answer{}, err
	}
	os, err := f.cfg.Store.List(c.ctx, resource.KindDeployment, c.scope())
	if err != nil {
		return answer{}, err
	}
	rows := []deploymentWire{}
	for _, o := range os {
		rows = append(rows, deploymentOut(o.(*resource.Deployment)))
	}
	return ok(listOf(rows)), nil
}

// deleteDeployment forgets a deployment; what it made stays.
func deleteDeployment(f *Front, c *call) (answer, error) {
	d, err := f.loadDeployment(c)
	var e *fault
	if errors.As(err, &e) && e.Code == "DeploymentNotFound" {
		return answer{status: http.StatusNoContent}, nil
	}
	if err != nil {
		return answer{}, err
	}
	if d.Ended.IsZero() {
		return answer{}, refuse(http.StatusConflict, "DeploymentActive", "The deployment '%s' is running and cannot be deleted.", d.Meta.ID.Name())
	}
	if err := f.cfg.Store.Delete(c.ctx, d.Meta.ID, d.Meta.Revision); err != nil && !errors.Is(err, store.ErrNotFound) {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// getDeploymentStatus answers the polling of a deployment.
func getDeploymentStatus(f *Front, c *call) (answer, error) {
	d, err := f.loadDeployment(c)
	if err != nil {
		return answer{}, err
	}
	if d.Run != c.params["operation"] {
		return answer{}, refuse(http.StatusNotFound, "DeploymentOperationNotFound", "The operation '%s' of deployment '%s' was not found.", c.params["operation"], d.Meta.ID.Name())
	}
	w := operationWire{Status: deploymentState(d)}
	if d.Meta.Failure != nil {
		e := deploymentFault(d).wire()
		w.Error = &e
	}
	a := ok(w)
	if d.Ended.IsZero() {
		a.header = map[string]string{"Retry-After": pollSeconds, "retry-after-ms": pollMillis}
	}
	return a, nil
}

// listDeploymentSteps answers what was done with each resource.
func listDeploymentSteps(f *Front, c *call) (answer, error) {
	d, err := f.loadDeployment(c)
	if err != nil {
		return answer{}, err
	}
	rows := []map[string]any{}
	for i, s := range d.Steps {
		if s.State == resource.StepWaiting || s.Begun.IsZero() {
			continue
		}
		state, code := "Running", "Accepted"
		props := map[string]any{"provisioningOperation": "Create", "timestamp": s.Begun.Format(timeForm), "targetResource": targetOut(s.Target)}
		switch s.State {
		case resource.StepDone:
			state, code = "Succeeded", "OK"
		case resource.StepFailed:
			state, code = "Failed", "Conflict"
			props["statusMessage"] = errorBody{failureFault(s.Failure).wire()}
		}
		props["provisioningState"], props["statusCode"] = state, code
		op := strings.ToUpper(strings.ReplaceAll(d.Run, "-", ""))[:12] + strconv.Itoa(1000+i)
		rows = append(rows, map[string]any{"id": d.Meta.ID.String() + "/operations/" + op, "operationId": op, "properties": props})
	}
	return ok(listOf(rows)), nil
}
