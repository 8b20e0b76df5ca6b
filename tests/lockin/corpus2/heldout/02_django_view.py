from django.conf import settings
from django.http import JsonResponse
from django.views import View
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import translate_v3 as translate


class TranslateView(View):
    client = translate.TranslationServiceClient()

    def post(self, request, language):
        parent = f"projects/{settings.GCP_PROJECT}/locations/global"
        try:
            response = self.client.translate_text(
                contents=[request.POST["text"]],
                target_language_code=language,
                parent=parent,
                timeout=10,
            )
        except GoogleAPICallError as exc:
            return JsonResponse({"error": exc.message}, status=502)
        best, *_ = response.translations
        return JsonResponse({"text": best.translated_text, "from": best.detected_language_code})
