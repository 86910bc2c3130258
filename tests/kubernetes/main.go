// SPDX-License-Identifier: Apache-2.0

// Command kubernetes renders the Helm chart as helm does, reads every object by the types of the Kubernetes API,
// unknown fields being errors, and checks what the API server checks only when it runs them.
//
//	go run . [-write] CHART PLAIN
//
// PLAIN is the rendering with the values of the chart; -write writes it anew.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/strvals"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const head = `# The Helm chart of this folder, rendered with its own values: for kubectl apply -f. To scale, edit the number of
# replicas of rocketmq-master and of rocketmq-slave. Written by make kubernetes.
`

// Everything that can be switched, beside what the chart comes with.
var variants = map[string]string{
	"as it comes":  "",
	"masters only": "broker.slaves=false,podDisruptionBudget.enabled=false",
	"everything": "broker.role=SYNC_MASTER,broker.replicas=3,nameserver.replicas=3,acl.existingSecret=rocketmq-acl," +
		"tls.existingSecret=rocketmq-tls,serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus," +
		"dashboard.enabled=true,dashboard.existingSecret=rocketmq-dashboard,storageClassName=fast," +
		"imagePullSecrets[0].name=registry,nodeSelector.disk=ssd,tolerations[0].operator=Exists," +
		"broker.config=slaveReadEnable=true,nameserver.config=orderMessageEnable=true",
}

var failures int

func fail(format string, args ...any) {
	failures++
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func main() {
	write := flag.Bool("write", false, "write the plain manifests anew")
	flag.Parse()
	folder, plain := flag.Arg(0), flag.Arg(1)
	loaded, err := loader.Load(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, message := range lint.All(folder, map[string]any{}, "default", true).Messages {
		if message.Severity > support.InfoSev {
			fail("helm lint: %s", message)
		}
	}
	passed := 0
	for name, settings := range variants {
		before := failures
		text, err := render(loaded, settings)
		if err != nil {
			fail("%s: %v", name, err)
			continue
		}
		check(name, read(name, text))
		if settings == "" {
			whole := head + text
			if *write {
				err = os.WriteFile(plain, []byte(whole), 0o644)
			} else if kept, _ := os.ReadFile(plain); string(kept) != whole {
				err = fmt.Errorf("%s is not what the chart renders; run: make kubernetes", plain)
			}
			if err != nil {
				fail("%v", err)
			}
		}
		if failures == before {
			passed++
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, len(variants)-passed)
	if failures > 0 {
		os.Exit(1)
	}
}

func render(loaded *chart.Chart, settings string) (string, error) {
	values, err := strvals.Parse(settings)
	if err != nil {
		return "", err
	}
	release := chartutil.ReleaseOptions{Name: "rocketmq", Namespace: "default", Revision: 1, IsInstall: true}
	merged, err := chartutil.ToRenderValues(loaded, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Engine{Strict: true}.Render(loaded, merged)
	if err != nil {
		return "", err
	}
	names := []string{}
	for name := range files {
		if strings.HasSuffix(name, ".yaml") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		for _, part := range strings.Split("\n"+files[name], "\n---\n") {
			if part = strings.Trim(part, "\n"); strings.TrimSpace(part) != "" {
				fmt.Fprintf(&text, "---\n%s\n", part)
			}
		}
	}
	return text.String(), nil
}

func read(variant, text string) []runtime.Object {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		core.AddToScheme, apps.AddToScheme, policy.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			fail("%v", err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	objects := []runtime.Object{}
	for _, part := range strings.Split("\n"+text, "\n---\n") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		object, _, err := decoder.Decode([]byte(part), nil, nil)
		if err != nil {
			fail("%s: %v\n%s", variant, err, part)
			continue
		}
		objects = append(objects, object)
	}
	return objects
}

// workload is what runs pods.
type workload struct {
	name     string
	selector *metav1.LabelSelector
	template core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
}

func check(variant string, objects []runtime.Object) {
	services, configs, workloads := map[string]*core.Service{}, map[string]bool{}, []workload{}
	for _, object := range objects {
		switch o := object.(type) {
		case *core.Service:
			services[o.Name] = o
		case *core.ConfigMap:
			configs[o.Name] = true
		case *apps.StatefulSet:
			workloads = append(workloads, workload{o.Name, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates})
		case *apps.Deployment:
			workloads = append(workloads, workload{o.Name, o.Spec.Selector, o.Spec.Template, nil})
		}
	}
	wrong := func(name, format string, args ...any) {
		fail("%s: %s: %s", variant, name, fmt.Sprintf(format, args...))
	}
	for _, w := range workloads {
		if selector, err := metav1.LabelSelectorAsSelector(w.selector); err != nil || !selects(selector, w) {
			wrong(w.name, "its selector does not select its pods")
		}
		checkPod(w, configs, wrong)
	}
	counted := map[string]int32{}
	for _, object := range objects {
		switch o := object.(type) {
		case *core.Service:
			selector := labels.SelectorFromSet(o.Spec.Selector)
			found := slices.DeleteFunc(slices.Clone(workloads), func(w workload) bool { return !selects(selector, w) })
			if len(found) == 0 {
				wrong(o.Name, "selects no pods")
			}
			for _, port := range o.Spec.Ports {
				for _, w := range found {
					if !hasPort(w.template.Spec.Containers[0], port.TargetPort) {
						wrong(o.Name, "%s has no port %s", w.name, port.TargetPort.String())
					}
				}
			}
		case *policy.PodDisruptionBudget:
			selector, err := metav1.LabelSelectorAsSelector(o.Spec.Selector)
			if err != nil || !slices.ContainsFunc(workloads, func(w workload) bool { return selects(selector, w) }) {
				wrong(o.Name, "selects no pods")
			}
		case *monitoring.ServiceMonitor:
			selector, err := metav1.LabelSelectorAsSelector(&o.Spec.Selector)
			for name, service := range services {
				wanted := hasServicePort(service, o.Spec.Endpoints[0].Port)
				if err != nil || selector.Matches(labels.Set(service.Labels)) != wanted {
					wrong(o.Name, "service %s: scraped is to be %v", name, wanted)
				}
			}
		case *apps.StatefulSet:
			counted[o.Name] = *o.Spec.Replicas
			if service := services[o.Spec.ServiceName]; service == nil || service.Spec.ClusterIP != core.ClusterIPNone ||
				!service.Spec.PublishNotReadyAddresses {
				wrong(o.Name, "has no headless service that names its pods before they are ready")
			}
		}
	}
	if slaves, any := counted["rocketmq-slave"]; any && slaves != counted["rocketmq-master"] {
		wrong("rocketmq-slave", "%d slaves of %d masters", slaves, counted["rocketmq-master"])
	}
}

func selects(selector labels.Selector, w workload) bool {
	return !selector.Empty() && selector.Matches(labels.Set(w.template.Labels))
}

func hasPort(container core.Container, wanted intstr.IntOrString) bool {
	return slices.ContainsFunc(container.Ports, func(p core.ContainerPort) bool { return p.Name == wanted.StrVal })
}

func hasServicePort(service *core.Service, wanted string) bool {
	return slices.ContainsFunc(service.Spec.Ports, func(p core.ServicePort) bool { return p.Name == wanted })
}

func checkPod(w workload, configs map[string]bool, wrong func(name, format string, args ...any)) {
	pod, container := w.template.Spec, w.template.Spec.Containers[0]
	volumes := map[string]bool{}
	for _, claim := range w.claims {
		volumes[claim.Name] = true
	}
	for _, volume := range pod.Volumes {
		volumes[volume.Name] = true
		if volume.ConfigMap != nil && !configs[volume.ConfigMap.Name] {
			wrong(w.name, "there is no ConfigMap %s", volume.ConfigMap.Name)
		}
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			wrong(w.name, "there is no volume %s", mount.Name)
		}
		delete(volumes, mount.Name)
	}
	for unused := range volumes {
		wrong(w.name, "volume %s is mounted nowhere", unused)
	}
	if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
		wrong(w.name, "may run as root")
	}
	safe := container.SecurityContext
	if safe == nil || safe.ReadOnlyRootFilesystem == nil || !*safe.ReadOnlyRootFilesystem {
		wrong(w.name, "may write to its root file system")
	}
	for _, probe := range []*core.Probe{container.ReadinessProbe, container.LivenessProbe} {
		if probe == nil {
			wrong(w.name, "has no probes")
			continue
		}
		port := intstr.IntOrString{}
		if probe.HTTPGet != nil {
			port = probe.HTTPGet.Port
		} else if probe.TCPSocket != nil {
			port = probe.TCPSocket.Port
		}
		if !hasPort(container, port) {
			wrong(w.name, "a probe asks at port %s, which it has not", port.String())
		}
	}
}
