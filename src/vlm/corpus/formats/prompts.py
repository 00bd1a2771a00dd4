"""What LLaVA-1.5 asks with (arXiv:2310.03744, Table 7; LLaVA, arXiv:2304.08485, Tables 11 and 12)."""

SHORT_ANSWER = "Answer the question using a single word or phrase."
"""Of VQAv2, GQA, OK-VQA and OCR-VQA."""

LETTER = "Answer with the option's letter from the given choices directly."
"""Of A-OKVQA."""

UNSURE = "When the provided information is insufficient, respond with 'Unanswerable'."
"""Of VizWiz in LLaVA-1.5's evaluation, on a line of its own before `SHORT_ANSWER`."""

UNANSWERABLE = "Unanswerable"
"""What `UNSURE` asks for."""

CAPTION = "Provide a one-sentence caption for the provided image."
"""Of TextCaps."""

DESCRIBE_REGION = "Please provide a short description for this region: {box}."
"""Of RefCOCO and Visual Genome, from a box to words."""

FIND_REGION = "Please provide the bounding box coordinate of the region this sentence describes: {sentence}."
"""Of RefCOCO and Visual Genome, from words to a box."""

BRIEF = (
    "Describe the image concisely.",
    "Provide a brief description of the given image.",
    "Offer a succinct explanation of the picture presented.",
    "Summarize the visual content of the image.",
    "Give a short and clear explanation of the subsequent image.",
    "Share a concise interpretation of the image provided.",
    "Present a compact description of the photo's key features.",
    "Relay a brief, clear account of the picture shown.",
    "Render a clear and concise summary of the photo.",
    "Write a terse but informative summary of the picture.",
    "Create a compact narrative representing the image presented.",
)
"""For a caption; the eleven of Table 11."""

DETAILED = (
    "Describe the following image in detail",
    "Provide a detailed description of the given image",
    "Give an elaborate explanation of the image you see",
    "Share a comprehensive rundown of the presented image",
    "Offer a thorough analysis of the image",
    "Explain the various aspects of the image before you",
    "Clarify the contents of the displayed image with great detail",
    "Characterize the image using a well-detailed description",
    "Break down the elements of the image in a detailed manner",
    "Walk through the important details of the image",
    "Portray the image with a rich, descriptive narrative",
    "Narrate the contents of the image with precision",
    "Analyze the image in a comprehensive and detailed manner",
    "Illustrate the image through a descriptive explanation",
    "Examine the image closely and share its details",
    "Write an exhaustive depiction of the given image",
)
"""For a long description; the sixteen of Table 12."""
