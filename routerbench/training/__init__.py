"""Training methods for routers, selected by ``training=``, and fine-tuning of encoders (``finetune=``)."""
