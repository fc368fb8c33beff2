{{- define "rollcall.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rollcall.labels" -}}
{{ include "rollcall.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "rollcall.secretName" -}}
{{- .Values.secret.existingSecret | default (include "rollcall.fullname" .) -}}
{{- end -}}

{{- define "rollcall.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The hosts of the ingress: those that are named, else those of publicUrl. One a line. */}}
{{- define "rollcall.hosts" -}}
{{- if .Values.ingress.hosts -}}
{{- range .Values.ingress.hosts }}{{ . }}
{{ end -}}
{{- else -}}
{{- range splitList "," .Values.publicUrl }}{{ (urlParse (trim .)).host | regexFind "^[^:]+" }}
{{ end -}}
{{- end -}}
{{- end -}}
