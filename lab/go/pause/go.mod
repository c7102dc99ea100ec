module dapr-osm.local/lab/pause

go 1.26
