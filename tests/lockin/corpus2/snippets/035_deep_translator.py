from argostranslate import translate

installed = translate.get_installed_languages()
print(translate.translate("Hello", "en", "de"))
