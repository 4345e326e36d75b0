"""What the page says, in English and Indonesian. What a feature means stands in the schema."""

from collections.abc import Mapping

from serving.schema import CLASSES, FEATURES, Feature, Flag
from serving.ui.texts_live import LIVE

LANGUAGES = {"en": "English", "id": "Bahasa Indonesia"}

_COMMON = {
    "en": {
        "title": "Gender classifier",
        "subtitle": "A teaching example of serving a model. It tells nothing about a person.",
        "nav": "What else there is",
        "docs": "API",
        "readme": "README",
        "metrics": "Metrics",
        "language": "Language",
        "theme": "Light or dark",
        "loading": "Building the page: a few seconds, only the first time.",
        "failed": "The page could not be built; the server's log says why. The API is not affected.",
        "tabs_predict": "Predict",
        "tabs_rows": "Many rows",
        "tabs_model": "Model",
        "tabs_live": "Live",
        "examples": "Start from an example",
        "example_typical": "Typical {}",
        "example_between": "In between",
        "example_unusual": "Unusual",
    },
    "id": {
        "title": "Pengklasifikasi gender",
        "subtitle": "Contoh penyajian model. Ini tidak mengungkap apa pun tentang seseorang.",
        "nav": "Halaman lain",
        "docs": "API",
        "readme": "README",
        "metrics": "Metrik",
        "language": "Bahasa",
        "theme": "Terang atau gelap",
        "loading": "Menyiapkan halaman: beberapa detik, hanya pada kunjungan pertama.",
        "failed": "Halaman gagal disiapkan; sebabnya ada di log server. API tetap berjalan.",
        "tabs_predict": "Prediksi",
        "tabs_rows": "Banyak baris",
        "tabs_model": "Model",
        "tabs_live": "Langsung",
        "examples": "Mulai dari contoh",
        "example_typical": "Tipikal {}",
        "example_between": "Di tengah-tengah",
        "example_unusual": "Tidak lazim",
    },
}
_ANSWER = {
    "en": {
        "prediction": "Prediction",
        "probability": "probability",
        "probabilities": "Probability of each class",
        "unlike": "This row is unlike the training data",
        "unlike_why": "More than 99 % of the training rows are likelier. Take the answer for a guess.",
        "why": "Why: what each value adds to the log-odds",
        "towards": "towards {}",
        "feature": "Feature",
        "value": "Value",
        "contribution": "Contribution (log-odds, natural logarithm)",
        "prior": "before any value is seen",
        "sum": "sum: log-odds of {} against {}",
        "yes": "yes",
        "no": "no",
        "answered_by": "Answered by",
        "prediction_id": "Prediction",
        "truth": "Was this right? What is it really?",
        "truth_thanks": "Noted: {}. Thank you.",
        "not_possible": "This row cannot be predicted",
        "must_be": "{name} is {value}; expected {expected}",
        "is_missing": "{name} is missing; expected {expected}",
        "expected_number": "a number from {low} to {high} ({unit})",
        "expected_flag": "0 or 1",
        "range": "{low} to {high} {unit}, mostly {typical_low} to {typical_high}",
    },
    "id": {
        "prediction": "Prediksi",
        "probability": "probabilitas",
        "probabilities": "Probabilitas setiap kelas",
        "unlike": "Baris ini tidak mirip data latih",
        "unlike_why": "Lebih dari 99 % baris latih lebih lazim daripada ini. Anggap jawabannya sebagai tebakan.",
        "why": "Alasannya: sumbangan setiap nilai pada log-odds",
        "towards": "ke arah {}",
        "feature": "Fitur",
        "value": "Nilai",
        "contribution": "Sumbangan (log-odds, logaritma natural)",
        "prior": "sebelum nilai apa pun dilihat",
        "sum": "jumlah: log-odds {} terhadap {}",
        "yes": "ya",
        "no": "tidak",
        "answered_by": "Dijawab oleh",
        "prediction_id": "Prediksi",
        "truth": "Apakah ini benar? Apa yang sebenarnya?",
        "truth_thanks": "Dicatat: {}. Terima kasih.",
        "not_possible": "Baris ini tidak dapat diprediksi",
        "must_be": "{name} bernilai {value}; seharusnya {expected}",
        "is_missing": "{name} kosong; seharusnya {expected}",
        "expected_number": "angka dari {low} sampai {high} ({unit})",
        "expected_flag": "0 atau 1",
        "range": "{low} sampai {high} {unit}, umumnya {typical_low} sampai {typical_high}",
    },
}
_ROWS = {
    "en": {
        "rows_intro": "A CSV file with a header line and these columns; others are ignored. "
        "The file is sent piece by piece and never stored.",
        "rows_choose": "Choose a CSV file",
        "rows_drop": "or drop it here, up to {} MB",
        "rows_example": "Download an example file",
        "rows_progress": "{} of {} lines",
        "rows_working": "Predicting",
        "rows_done": "Done",
        "rows_stopped": "Stopped",
        "rows_cancel": "Stop",
        "rows_too_large": "{} is {} MB; expected at most {} MB",
        "rows_empty": "{} has no line below the header",
        "no_answer": "The server does not answer: {}",
        "rows_predicted": "predicted",
        "rows_rejected": "rejected",
        "rows_unlike": "unlike the training data",
        "rows_download": "Download predictions (CSV)",
        "rows_download_rejected": "Download rejected lines (CSV)",
        "rows_summary": "Predictions by probability of {}",
        "rows_summary_x": "probability of {}",
        "rows_summary_y": "rows",
        "rows_table": "Predictions",
        "rows_rejected_table": "Rejected lines",
        "rows_line": "line",
        "rows_reason": "reason",
        "rows_first": "The first {} of {}; the download has all of them.",
        "rows_page": "{} to {} of {}",
        "rows_back": "Back",
        "rows_next": "Next",
        "rows_header": "the first line has no column {}; expected {}",
        "rows_twice": "the first line has the column {} twice",
        "rows_cells": "the line has {} cells; expected {}, as in the first line",
    },
    "id": {
        "rows_intro": "Berkas CSV dengan baris judul dan kolom berikut; kolom lain diabaikan. "
        "Berkas dikirim sepotong demi sepotong dan tidak pernah disimpan.",
        "rows_choose": "Pilih berkas CSV",
        "rows_drop": "atau letakkan di sini, paling besar {} MB",
        "rows_example": "Unduh berkas contoh",
        "rows_progress": "{} dari {} baris",
        "rows_working": "Memprediksi",
        "rows_done": "Selesai",
        "rows_stopped": "Dihentikan",
        "rows_cancel": "Hentikan",
        "rows_too_large": "{} berukuran {} MB; seharusnya paling besar {} MB",
        "rows_empty": "{} tidak punya baris di bawah judul",
        "no_answer": "Server tidak menjawab: {}",
        "rows_predicted": "diprediksi",
        "rows_rejected": "ditolak",
        "rows_unlike": "tidak mirip data latih",
        "rows_download": "Unduh prediksi (CSV)",
        "rows_download_rejected": "Unduh baris yang ditolak (CSV)",
        "rows_summary": "Prediksi menurut probabilitas {}",
        "rows_summary_x": "probabilitas {}",
        "rows_summary_y": "baris",
        "rows_table": "Prediksi",
        "rows_rejected_table": "Baris yang ditolak",
        "rows_line": "baris",
        "rows_reason": "alasan",
        "rows_first": "{} yang pertama dari {}; unduhan memuat semuanya.",
        "rows_page": "{} sampai {} dari {}",
        "rows_back": "Sebelumnya",
        "rows_next": "Berikutnya",
        "rows_header": "baris pertama tidak punya kolom {}; seharusnya {}",
        "rows_twice": "baris pertama punya kolom {} dua kali",
        "rows_cells": "baris ini punya {} sel; seharusnya {}, seperti baris pertama",
    },
}
_MODEL = {
    "en": {
        "model_serves": "This model answers now",
        "model_rows": "training rows",
        "model_scores": "Scores on rows it was not trained on",
        "model_scores_note": "Out of fold, by cross-validation.",
        "model_higher": "higher is better",
        "model_lower": "lower is better",
        "model_recall": "Recall: the share of each class that is found",
        "model_compared": "Beside other models, on the same folds",
        "model_this": "this model",
        "model_model": "Model",
        "model_features": "What the model has learned",
        "model_density": "density, per {}",
        "model_share": "Share of rows with 1, by class",
        "model_origin": "Where it comes from",
        "model_card": "Model card (in English)",
        "score_accuracy": "Accuracy",
        "score_auc": "ROC area (AUC)",
        "score_log_loss": "Log-loss",
        "score_brier": "Brier score",
        "score_calibration_error": "Calibration error",
        "origin_mlflow_run_id": "MLflow run",
        "origin_mlflow_tracking_uri": "MLflow's address",
        "origin_data_source": "Data",
        "origin_data_sha256": "sha256 of the data",
        "origin_data_md5": "md5 of the data, its address in DVC",
        "origin_var_smoothing": "var_smoothing",
        "origin_git_commit": "Git commit",
        "origin_git_dirty": "With uncommitted changes",
        "origin_params": "Parameters",
        "origin_versions": "Made with",
    },
    "id": {
        "model_serves": "Model yang sekarang menjawab",
        "model_rows": "baris latih",
        "model_scores": "Skor pada data yang tidak dipakai untuk melatih",
        "model_scores_note": "Dihitung dengan validasi silang, di luar lipatan latih.",
        "model_higher": "makin tinggi makin baik",
        "model_lower": "makin rendah makin baik",
        "model_recall": "Recall: bagian setiap kelas yang ditemukan",
        "model_compared": "Di samping model lain, pada lipatan yang sama",
        "model_this": "model ini",
        "model_model": "Model",
        "model_features": "Apa yang dipelajari model",
        "model_density": "kepadatan, per {}",
        "model_share": "Bagian baris dengan nilai 1, menurut kelas",
        "model_origin": "Asal-usulnya",
        "model_card": "Kartu model (dalam bahasa Inggris)",
        "score_accuracy": "Akurasi",
        "score_auc": "Luas ROC (AUC)",
        "score_log_loss": "Log-loss",
        "score_brier": "Skor Brier",
        "score_calibration_error": "Galat kalibrasi",
        "origin_mlflow_run_id": "Run MLflow",
        "origin_mlflow_tracking_uri": "Alamat MLflow",
        "origin_data_source": "Data",
        "origin_data_sha256": "sha256 data",
        "origin_data_md5": "md5 data, alamatnya di DVC",
        "origin_var_smoothing": "var_smoothing",
        "origin_git_commit": "Commit git",
        "origin_git_dirty": "Dengan perubahan yang belum di-commit",
        "origin_params": "Parameter",
        "origin_versions": "Dibuat dengan",
    },
}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _of_feature(feature: Feature, language: str) -> dict[str, str]:
    meaning = _capital(feature.en if language == "en" else feature.id)
    texts = _ANSWER[language]
    if isinstance(feature, Flag):
        return {
            f"name_{feature.name}": meaning,
            f"label_{feature.name}": meaning,
            f"expected_{feature.name}": texts["expected_flag"],
        }
    numbers = {"low": f"{feature.low:g}", "high": f"{feature.high:g}", "unit": feature.unit}
    typical = {"typical_low": f"{feature.typical[0]:g}", "typical_high": f"{feature.typical[1]:g}"}
    return {
        f"name_{feature.name}": meaning,
        f"label_{feature.name}": f"{meaning} ({feature.unit})",
        f"info_{feature.name}": texts["range"].format(**numbers, **typical),
        f"expected_{feature.name}": texts["expected_number"].format(**numbers),
    }


def _texts(language: str) -> dict[str, str]:
    parts = (_COMMON, _ANSWER, _ROWS, _MODEL, LIVE)
    merged = {key: text for part in parts for key, text in part[language].items()}
    for feature in FEATURES:
        merged |= _of_feature(feature, language)
    typical = merged["example_typical"]
    return merged | {f"example_{label}": typical.format(label) for label in CLASSES}


TEXTS: Mapping[str, Mapping[str, str]] = {language: _texts(language) for language in LANGUAGES}


def texts(language: object) -> Mapping[str, str]:
    """Return the texts of a language by their keys; of English if the language is not one of ours."""
    return TEXTS.get(str(language), TEXTS["en"])
