{{- define "rocketmq.labels" -}}
app.kubernetes.io/name: rocketmq
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* The name servers' addresses, each by the name of its pod, good in the whole namespace. */}}
{{- define "rocketmq.nameservers" -}}
{{- $name := printf "%s-namesrv" .Release.Name }}
{{- range $n := until (int .Values.nameserver.replicas) }}
{{- if $n }};{{ end }}{{ $name }}-{{ $n }}.{{ $name }}:9876
{{- end }}
{{- end }}

{{- /* Of the pod. */}}
{{- define "rocketmq.pod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 3000
  runAsGroup: 3000
  fsGroup: 3000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* Of the container. */}}
{{- define "rocketmq.container" -}}
image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- /* One pod of a kind a host, as far as there are hosts. */}}
{{- define "rocketmq.spread" -}}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "rocketmq.labels" . | nindent 14 }}
{{- end }}

{{- define "rocketmq.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "rocketmq.claim" -}}
volumeClaimTemplates:
  - metadata: { name: home }
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .root.Values.storageClassName }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources:
        requests: { storage: {{ .storage }} }
{{- end }}

{{- /* One StatefulSet of brokers: masters or slaves. */}}
{{- define "rocketmq.brokers" -}}
{{- $values := .root.Values }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels:
    {{- include "rocketmq.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.broker.replicas }}
  serviceName: {{ .root.Release.Name }}-broker
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "rocketmq.labels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "rocketmq.labels" . | nindent 8 }}
        rocketmq/part: broker
      annotations:
        checksum/config: {{ printf "%s%s" $values.broker.config .role | sha256sum }}
    spec:
      {{- include "rocketmq.pod" .root | nindent 6 }}
      {{- include "rocketmq.spread" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ $values.broker.terminationGracePeriodSeconds }}
      containers:
        - name: broker
          {{- include "rocketmq.container" .root | nindent 10 }}
          args: [broker, -c, /etc/rocketmq/{{ .component }}.conf]
          env:
            - name: POD_NAME
              valueFrom: { fieldRef: { fieldPath: metadata.name } }
            - name: POD_NAMESPACE
              valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
            # <name>-master-N and <name>-slave-N share the brokerName <name>-N.
            - { name: ROCKETMQ_BROKER_NAME_FROM_POD, value: "true" }
            # Stays the same when the pod moves.
            - name: ROCKETMQ_BROKER_ADDRESS
              value: $(POD_NAME).{{ .root.Release.Name }}-broker.$(POD_NAMESPACE).svc.{{ $values.clusterDomain }}
            - name: NAMESRV_ADDR
              value: {{ include "rocketmq.nameservers" .root | quote }}
            {{- with include "rocketmq.options" .root }}
            - name: JAVA_OPT
              value: {{ . | quote }}
            {{- end }}
          ports:
            - { name: remoting, containerPort: 10911 }
            - { name: vip, containerPort: 10909 }
            - { name: replication, containerPort: 10912 }
            - { name: metrics, containerPort: 5557 }
          {{- include "rocketmq.probes" . | nindent 10 }}
          resources: {{ toJson $values.broker.resources }}
          volumeMounts:
            - { name: home, mountPath: /home/rocketmq }
            - { name: config, mountPath: /etc/rocketmq, readOnly: true }
            {{- if $values.acl.existingSecret }}
            - { name: acl, mountPath: /opt/rocketmq/conf/acl, readOnly: true }
            {{- end }}
            {{- if $values.tls.existingSecret }}
            - { name: tls, mountPath: /opt/rocketmq/conf/tls, readOnly: true }
            {{- end }}
      volumes:
        - name: config
          configMap: { name: {{ .root.Release.Name }}-broker }
        {{- with $values.acl.existingSecret }}
        - name: acl
          secret: { secretName: {{ . }} }
        {{- end }}
        {{- with $values.tls.existingSecret }}
        - name: tls
          secret: { secretName: {{ . }} }
        {{- end }}
  {{- include "rocketmq.claim" (dict "root" .root "storage" $values.broker.storage) | nindent 2 }}
{{- end }}

{{- /* Java's system properties. */}}
{{- define "rocketmq.options" -}}
{{- if .Values.acl.existingSecret }}-Drocketmq.acl.plain.file=/conf/acl/plain_acl.yml {{ end }}
{{- if .Values.tls.existingSecret }}-Dtls.server.mode={{ .Values.tls.mode }} -Dtls.config.file=/opt/rocketmq/conf/tls/tls.properties{{ end }}
{{- end }}
