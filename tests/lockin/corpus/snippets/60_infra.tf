resource "google_vertex_ai_endpoint" "e" {
  display_name = "e"
  location     = "us-central1"
}

resource "azurerm_machine_learning_workspace" "w" {
  name = "w"
}

resource "google_storage_bucket" "b" {
  name = "b"
}
