{{/* Labels of everything; the argument is a dict with root and pool. */}}
{{- define "hiper.labels" -}}
{{ include "hiper.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Labels that select the pods of a pool. */}}
{{- define "hiper.selector" -}}
app.kubernetes.io/name: hiper
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .pool }}
{{- end }}

{{- define "hiper.port" -}}
{{- get (dict "learner" 7000 "planner" 7001 "executor" 7002) . -}}
{{- end }}

{{/* Name and port under which the pods of this release reach the learner. */}}
{{- define "hiper.learner" -}}
{{ .Release.Name }}-learner-0.{{ .Release.Name }}-learner.{{ .Release.Namespace }}.svc:{{ include "hiper.port" "learner" }}
{{- end }}

{{/* Name and port under which others reach the pod of a pool. */}}
{{- define "hiper.address" -}}
$(POD_NAME).{{ .root.Release.Name }}-{{ .pool }}.{{ .root.Release.Namespace }}.svc:{{ include "hiper.port" .pool }}
{{- end }}

{{/* Options that name the pod's certificates; it shows the same ones when it listens and when it calls. */}}
{{- define "hiper.tls" -}}
{{- range $section := list "planner" "executor" "learner" }}
{{- if $.secret }}
- --{{ $section }}.tls.certificate=/etc/hiper/tls/tls.crt
- --{{ $section }}.tls.key=/etc/hiper/tls/tls.key
- --{{ $section }}.tls.authority=/etc/hiper/tls/ca.crt
{{- else }}
- --{{ $section }}.tls.insecure=true
{{- end }}
{{- end }}
{{- end }}

{{/* Name of the Secret of a pool; fails where neither certificates nor insecure are chosen. */}}
{{- define "hiper.secret" -}}
{{- $secret := get .root.Values.tls .pool -}}
{{- if and (not $secret) (not .root.Values.tls.insecure) -}}
{{- fail (printf "tls.%s: name the Secret with the certificate of the %s; or set tls.insecure=true in a network that you trust as a whole" .pool .pool) -}}
{{- end -}}
{{- $secret -}}
{{- end }}

{{/* Everything of a pod's spec but its containers. */}}
{{- define "hiper.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: configuration
    configMap:
      name: {{ .root.Release.Name }}-configuration
  - name: scratch
    emptyDir:
      sizeLimit: {{ .values.scratch }}
  - name: shared-memory
    emptyDir:
      medium: Memory
  {{- with include "hiper.secret" . }}
  - name: tls
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
  {{- if and (has .pool (list "planner" "executor")) .root.Values.tls.operator }}
  - name: operator
    secret:
      secretName: {{ .root.Values.tls.operator }}
      defaultMode: 0440
  {{- end }}
  {{- with .root.Values.data.claim }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ . }}
      readOnly: true
  {{- end }}
{{- end }}

{{/* Everything of a container but its name, command, ports and probes. */}}
{{- define "hiper.container" -}}
image: {{ printf "%s:%s" .root.Values.image.repository .root.Values.image.tag | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- if ne .pool "orchestrator" }}
  - name: HIPER_ADDRESS
    value: {{ include "hiper.address" . }}
  {{- end }}
  - name: HIPER_CACHE
    value: /scratch/cache
  - name: TMPDIR
    value: /scratch
  - name: HOME
    value: /scratch
  {{- if .root.Values.data.claim }}
  - name: HIPER_DATA
    value: /data
  {{- end }}
resources:
  requests:
    cpu: {{ .values.cpu | quote }}
    memory: {{ .values.memory }}
  limits:
    memory: {{ .values.memory }}
    {{- if .values.gpus }}
    nvidia.com/gpu: {{ .values.gpus }}
    {{- end }}
volumeMounts:
  - name: configuration
    mountPath: /etc/hiper/configuration
    readOnly: true
  - name: scratch
    mountPath: /scratch
  - name: shared-memory
    mountPath: /dev/shm
  {{- if include "hiper.secret" . }}
  - name: tls
    mountPath: /etc/hiper/tls
    readOnly: true
  {{- end }}
  {{- if and (has .pool (list "planner" "executor")) .root.Values.tls.operator }}
  - name: operator
    mountPath: /etc/hiper/operator
    readOnly: true
  {{- end }}
  {{- if .root.Values.data.claim }}
  - name: data
    mountPath: /data
    readOnly: true
  {{- end }}
  {{- if eq .pool "learner" }}
  - name: run
    mountPath: /run/hiper
  {{- end }}
{{- end }}

{{/* Probes of a server: Kubernetes' own gRPC probe, which cannot show a certificate, or our command with mTLS. */}}
{{- define "hiper.probe" -}}
{{- if include "hiper.secret" . -}}
exec:
  command:
    - sh
    - -c
    - >-
      exec python -m deploy.pods.health "$HIPER_ADDRESS"
      {{- include "hiper.caller" "tls" | nindent 6 }}
timeoutSeconds: 15
periodSeconds: 30
{{- else -}}
grpc:
  port: {{ include "hiper.port" .pool }}
timeoutSeconds: 10
periodSeconds: 10
{{- end }}
{{- end }}

{{/* Options of a command that calls with the certificates in /etc/hiper/FOLDER. */}}
{{- define "hiper.caller" -}}
--learner.tls.certificate=/etc/hiper/{{ . }}/tls.crt
--learner.tls.key=/etc/hiper/{{ . }}/tls.key
--learner.tls.authority=/etc/hiper/{{ . }}/ca.crt
{{- end }}

{{/* The three probes of a server, which has startSeconds to load its model. */}}
{{- define "hiper.probes" -}}
startupProbe:
  {{- include "hiper.probe" . | nindent 2 }}
  failureThreshold: {{ div .values.startSeconds (include "hiper.secret" . | empty | ternary 10 30) | max 1 }}
readinessProbe:
  {{- include "hiper.probe" . | nindent 2 }}
livenessProbe:
  {{- include "hiper.probe" . | nindent 2 }}
  failureThreshold: 6
{{- end }}

{{- define "hiper.annotations" -}}
checksum/configuration: {{ .root.Values.configuration | sha256sum }}
{{- if and .root.Values.metrics.enabled (ne .pool "orchestrator") }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .root.Values.metrics.port | quote }}
prometheus.io/scheme: {{ include "hiper.secret" . | empty | ternary "http" "https" }}
{{- end }}
{{- end }}
